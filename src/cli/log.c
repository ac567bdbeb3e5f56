#include "log.h"

#include "files.h"
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char heading[] = "epoch,accuracy,loss,val_accuracy,val_loss,learning_rate,seconds,images_per_second";

/* A disk that was full leaves a line without its end. */
static bool ends_within_line(const char *path)
{
    FILE *file = fopen(path, "re");
    const bool within = file && fseek(file, -1, SEEK_END) == 0 && getc(file) != '\n';
    if (file)
        fclose(file);
    return within;
}

mnist_fast_status cli_log_open(const char *path, bool append, FILE **log, mnist_fast_error *error)
{
    *log = NULL;
    const mnist_fast_status status = cli_check_first_line(path, heading, "a log of training", error);
    if (status)
        return status;
    /* Without O_NONBLOCK, opening a FIFO waits for its reader. */
    const int descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, 0666);
    struct stat about;
    if (descriptor < 0 && errno == ENXIO)
        return cli_fail(error, MNIST_FAST_BAD_FILE, "%s: nobody reads this pipe; start its reader first", path);
    if (descriptor < 0)
        goto failed;
    if (fstat(descriptor, &about) != 0 || fcntl(descriptor, F_SETFL, O_APPEND) != 0)
        goto failed;
    const bool regular = S_ISREG(about.st_mode);
    if (regular && !append && ftruncate(descriptor, 0) != 0)
        goto failed;
    *log = fdopen(descriptor, "a");
    if (!*log)
        goto failed;
    /* A failure to write shows at the first flush. */
    if (!regular || !append || about.st_size == 0)
        fprintf(*log, "%s\n", heading);
    else if (ends_within_line(path))
        fputc('\n', *log);
    return MNIST_FAST_OK;
failed:;
    const int problem = errno;
    if (descriptor >= 0)
        close(descriptor);
    return cli_fail(error, MNIST_FAST_BAD_FILE, "%s: could not be opened for writing (%s); choose another file", path,
                    strerror(problem));
}

bool cli_log_epoch(FILE *log, const mnist_fast_progress *p)
{
    char validation[64] = ",";
    if (!isnan(p->validation.loss))
        snprintf(validation, sizeof validation, "%.9g,%.9g", p->validation.accuracy, p->validation.loss);
    fprintf(log, "%d,%.9g,%.9g,%s,%.7g,%.6f,%.1f\n", p->epoch, p->train.accuracy, p->train.loss, validation,
            p->learning_rate, p->seconds, p->images_per_second);
    return fflush(log) == 0 && !ferror(log);
}
