/* Saving: a save that fails, or is killed, leaves the old file whole; links and permissions stay. */
#include "models.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- system calls that fail on demand, in place of those of libc ---- */

static struct {
    int writes;        /* calls so far */
    int failing_write; /* the call that finds the disk full; 0: none */
    bool stutter;      /* every second write is interrupted, and every other takes 7 bytes at most */
    int fsyncs, failing_fsync;
    bool failing_rename;
    char order[64]; /* w: write, s: fsync, r: rename; a letter for a run of the same */
} calls;

static void note(char letter)
{
    const size_t length = strlen(calls.order);
    if (length == 0 || (calls.order[length - 1] != letter && length + 1 < sizeof calls.order))
        calls.order[length] = letter;
}

ssize_t write(int file, const void *bytes, size_t size)
{
    if (file <= STDERR_FILENO)
        return syscall(SYS_write, file, bytes, size);
    note('w');
    calls.writes++;
    if (calls.writes == calls.failing_write) {
        errno = ENOSPC;
        return -1;
    }
    if (calls.stutter && calls.writes % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    return syscall(SYS_write, file, bytes, calls.stutter && size > 7 ? 7 : size);
}

int fsync(int file)
{
    note('s');
    if (++calls.fsyncs == calls.failing_fsync) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, file);
}

int renameat(int from, const char *old, int to, const char *new)
{
    note('r');
    if (calls.failing_rename) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_renameat2, from, old, to, new, 0);
}

static void setup(void)
{
    model_folder_make();
    memset(&calls, 0, sizeof calls);
}

START_TEST(saving_keeps_the_order)
{
    mnist_fast *network = small_network(11);
    save(network, model_path);
    ck_assert_str_eq(calls.order, "wsrs"); /* all bytes, then fsync, then the name, then the folder */
    ck_assert_int_eq(calls.fsyncs, 2);
    ck_assert_int_eq(names_in(folder), 1);
    mnist_fast_free(network);
}
END_TEST

/* Saves over an old file and to a new name; both must fail and leave nothing. */
static void expect_save_fails(const mnist_fast *network, struct bytes old, const char *words)
{
    for (int new = 0; new < 2; new ++) {
        const char *name = new ? in_folder("new") : model_path;
        calls.writes = calls.fsyncs = 0;
        const mnist_fast_status status = mnist_fast_save(network, name, &model_error);
        if (status != MNIST_FAST_BAD_FILE)
            support_fail("%s: status %d", name, (int)status);
        expect_message(name, words);
        ck_assert_int_eq(names_in(folder), 1);
    }
    file_expect(model_path, old);
    mnist_fast_free(load(model_path));
}

START_TEST(failing_save_keeps_the_old_file)
{
    mnist_fast *const network = small_network(12), *const other = small_network(13);
    save(network, model_path);
    const struct bytes old = file_read(model_path);
    const int writes = calls.writes;
    ck_assert_int_gt(writes, 3);
    for (int k = 1; k <= writes; k++) {
        support_case("write %d of %d finds the disk full", k, writes);
        calls.failing_write = k;
        expect_save_fails(other, old, "No space left on device); free some space");
    }
    calls.failing_write = 0;
    support_case("fsync");
    calls.failing_fsync = 1;
    expect_save_fails(other, old, "Input/output error");
    calls.failing_fsync = 0;
    support_case("rename");
    calls.failing_rename = true;
    expect_save_fails(other, old, "cannot be replaced");
    calls.failing_rename = false;

    support_case("file size limit");
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit, small = {100, RLIM_INFINITY};
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small.rlim_max = limit.rlim_max;
    for (; small.rlim_cur < old.size; small.rlim_cur += 5000) {
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
        expect_save_fails(other, old, "ulimit -f");
        ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    }

    /* The new file is in place, but it isn't sure that it will stay: the error says so. */
    support_case("fsync of the folder");
    calls.fsyncs = 0;
    calls.failing_fsync = 2;
    ck_assert_int_eq(mnist_fast_save(other, model_path, &model_error), MNIST_FAST_BAD_FILE);
    expect_message(model_path, "folder cannot be synced");
    calls.failing_fsync = 0;
    mnist_fast *again = load(model_path);
    expect_same_tensors(other, again, MF_WEIGHT);
    ck_assert_int_eq(names_in(folder), 1);

    support_case("interrupted and short writes");
    calls.stutter = true;
    save(network, model_path);
    file_expect(model_path, old);
    free(old.data);
    mnist_fast_free(network);
    mnist_fast_free(other);
    mnist_fast_free(again);
}
END_TEST

static void expect_unwritable(const mnist_fast *network, const char *name, const char *words)
{
    const int names = names_in(folder);
    for (int ask = 0; ask < 2; ask++) {
        memset(&model_error, 0, sizeof model_error);
        const mnist_fast_status status =
            ask ? mnist_fast_check_writable(name, &model_error) : mnist_fast_save(network, name, &model_error);
        if (status != MNIST_FAST_BAD_FILE)
            support_fail("%s: status %d", name, (int)status);
        expect_message(name, words);
    }
    ck_assert_int_eq(names_in(folder), names);
}

START_TEST(unwritable_place_is_refused)
{
    mnist_fast *network = small_network(14);
    char long_name[300];
    memset(long_name, 'a', sizeof long_name);
    long_name[sizeof long_name - 1] = '\0';
    support_case("folder missing");
    expect_unwritable(network, in_folder("missing/model"), "create the folder");
    support_case("a file as the folder");
    file_write(model_path, "x", 1);
    expect_unwritable(network, in_folder("model.safetensors/model"), "create the folder");
    support_case("a folder");
    expect_unwritable(network, folder, "found a folder");
    expect_unwritable(network, in_folder(""), "found a folder");
    expect_unwritable(network, ".", "found a folder");
    support_case("no name");
    expect_unwritable(network, "", "add a file name");
    support_case("a name too long");
    expect_unwritable(network, in_folder(long_name), "too long");
    support_case("devices and pipes stay what they are");
    expect_unwritable(network, "/dev/null", "found a device");
    ck_assert_int_eq(mkfifo(in_folder("fifo"), 0600), 0);
    expect_unwritable(network, in_folder("fifo"), "found a device");
    support_case("a link to itself");
    ck_assert_int_eq(symlink("loop", in_folder("loop")), 0);
    expect_unwritable(network, in_folder("loop"), "symbolic links");

    /* root may write anywhere, so another user has to try */
    ck_assert_int_eq(chmod(model_path, 0444), 0);
    ck_assert_int_eq(mkdir(in_folder("closed"), 0555), 0);
    ck_assert_int_eq(chmod(folder, 0777), 0);
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    support_case("a file that may not be written");
    expect_unwritable(network, model_path, "may be written");
    support_case("a folder that may not be written");
    const int names = names_in(in_folder("closed"));
    expect_unwritable(network, in_folder("closed/model"), "may be written");
    ck_assert_int_eq(names_in(in_folder("closed")), names);
    if (getuid() == 0)
        ck_assert_int_eq(seteuid(0), 0);
    mnist_fast_free(network);
}
END_TEST

START_TEST(asking_leaves_nothing_behind)
{
    support_case("new");
    ck_assert_int_eq(mnist_fast_check_writable(model_path, &model_error), MNIST_FAST_OK);
    ck_assert_int_eq(names_in(folder), 0);
    support_case("old");
    file_write(model_path, "old", 3);
    ck_assert_int_eq(mnist_fast_check_writable(model_path, &model_error), MNIST_FAST_OK);
    ck_assert_int_eq(names_in(folder), 1);
    file_expect(model_path, (struct bytes){(uint8_t *)"old", 3});
    support_case("without a folder");
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(mnist_fast_check_writable("here", &model_error), MNIST_FAST_OK);
    mnist_fast *network = small_network(15);
    save(network, "here");
    ck_assert_int_eq(access(in_folder("here"), F_OK), 0);
    ck_assert_int_eq(names_in(folder), 2);
    /* A temporary that an earlier process of the same number left behind does no harm. */
    char left[64];
    snprintf(left, sizeof left, ".mnist_fast.%ld.0.tmp", (long)getpid());
    file_write(left, "left", 4);
    save(network, "here");
    mnist_fast_free(load("here"));
    file_expect(left, (struct bytes){(uint8_t *)"left", 4});
    ck_assert_int_eq(names_in(folder), 3);
    mnist_fast_free(network);
}
END_TEST

START_TEST(links_and_permissions_stay)
{
    mnist_fast *network = small_network(16);
    struct stat info;
    umask(027);
    support_case("a new file");
    save(network, model_path);
    ck_assert_int_eq(stat(model_path, &info), 0);
    ck_assert_int_eq(info.st_mode & 07777, 0640);
    static const mode_t modes[] = {0600, 0666, 0644, 0222};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        support_case("an old file of mode %o", (unsigned)modes[i]);
        ck_assert_int_eq(chmod(model_path, modes[i]), 0);
        save(network, model_path);
        ck_assert_int_eq(stat(model_path, &info), 0);
        ck_assert_int_eq(info.st_mode & 07777, modes[i]);
    }
    ck_assert_int_eq(chmod(model_path, 0600), 0);

    ck_assert_int_eq(mkdir(in_folder("inner"), 0700), 0);
    ck_assert_int_eq(symlink("model.safetensors", in_folder("near")), 0);
    ck_assert_int_eq(symlink("../near", in_folder("inner/far")), 0);
    ck_assert_int_eq(symlink(model_path, in_folder("inner/absolute")), 0);
    ck_assert_int_eq(symlink("inner/later", in_folder("dangling")), 0);
    static const char *const links[][2] = {{"near", "model.safetensors"},
                                           {"inner/far", "model.safetensors"},
                                           {"inner/absolute", "model.safetensors"},
                                           {"dangling", "inner/later"}};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
        support_case("through the link %s", links[i][0]);
        unlink(in_folder(links[i][1]));
        save(network, in_folder(links[i][0]));
        ck_assert_int_eq(lstat(in_folder(links[i][0]), &info), 0);
        ck_assert_int_eq(S_ISLNK(info.st_mode), 1);
        ck_assert_int_eq(lstat(in_folder(links[i][1]), &info), 0);
        ck_assert_int_eq(S_ISREG(info.st_mode), 1);
        save(network, in_folder(links[i][0])); /* over it */
        mnist_fast_free(load(in_folder(links[i][1])));
    }
    ck_assert_int_eq(names_in(folder), 4);
    ck_assert_int_eq(names_in(in_folder("inner")), 3);
    mnist_fast_free(network);
}
END_TEST

/* Root may write another user's file, and leaves it to that user. */
START_TEST(owner_stays)
{
    mnist_fast *network = small_network(1);
    struct stat about;
    save(network, model_path);
    ck_assert_int_eq(chown(model_path, 12345, 54321), 0);
    save(network, model_path);
    ck_assert_int_eq(stat(model_path, &about), 0);
    ck_assert_uint_eq(about.st_uid, 12345);
    ck_assert_uint_eq(about.st_gid, 54321);
    mnist_fast_free(network);
}
END_TEST

/* The reason is in the message, however long the path is. */
START_TEST(long_path_keeps_the_reason)
{
    char name[3000] = "";
    while (strlen(name) < 2900)
        strcat(name, "a_folder_that_is_missing/");
    strcat(name, "digits.safetensors");
    mnist_fast *network = small_network(1);
    ck_assert_int_eq(mnist_fast_save(network, name, &model_error), MNIST_FAST_BAD_FILE);
    ck_assert_msg(strncmp(model_error.text, "...", 3) == 0, "%s", model_error.text);
    ck_assert_msg(strstr(model_error.text, "/digits.safetensors: ") && strstr(model_error.text, "; create the folder"),
                  "%s", model_error.text);
    mnist_fast_free(network);
}
END_TEST

/* A file of any kind, written as models are. */
START_TEST(other_files_are_written_alike)
{
    static const char text[] = "one\0two\n";
    support_case("new");
    ck_assert_int_eq(mnist_fast_write_file(model_path, text, sizeof text, &model_error), MNIST_FAST_OK);
    ck_assert_str_eq(calls.order, "wsrs");
    file_expect(model_path, (struct bytes){(uint8_t *)text, sizeof text});
    support_case("failing over an old one");
    calls.failing_write = calls.writes + 1;
    ck_assert_int_eq(mnist_fast_write_file(model_path, "other", 5, &model_error), MNIST_FAST_BAD_FILE);
    expect_message(model_path, "No space left on device); free some space");
    calls.failing_write = 0;
    file_expect(model_path, (struct bytes){(uint8_t *)text, sizeof text});
    ck_assert_int_eq(mnist_fast_write_file(folder, "other", 5, &model_error), MNIST_FAST_BAD_FILE);
    expect_message(folder, "found a folder");
    support_case("interrupted and short writes");
    calls.stutter = true;
    ck_assert_int_eq(mnist_fast_write_file(model_path, "other text", 10, &model_error), MNIST_FAST_OK);
    file_expect(model_path, (struct bytes){(uint8_t *)"other text", 10});
    support_case("nothing");
    ck_assert_int_eq(mnist_fast_write_file(model_path, NULL, 0, &model_error), MNIST_FAST_OK);
    file_expect(model_path, (struct bytes){(uint8_t *)"", 0});
    ck_assert_int_eq(names_in(folder), 1);
}
END_TEST

/* A kill at any instant leaves the old file or the new one. */
START_TEST(killed_save_leaves_a_whole_file)
{
    mnist_fast *const networks[] = {small_network(17), small_network(18)};
    save(networks[0], model_path);
    struct random random = random_from(17, 0, 0, 0);
    bool seen[2] = {false, false};
    for (int round = 0; round < 40; round++) {
        support_case("round %d", round);
        const pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            for (int i = round;; i++)
                if (mnist_fast_save(networks[i % 2], model_path, NULL))
                    _exit(1);
        nanosleep(&(struct timespec){.tv_nsec = random_below(&random, 8000000)}, NULL);
        ck_assert_int_eq(kill(child, SIGKILL), 0);
        int ended;
        ck_assert_int_eq(waitpid(child, &ended, 0), child);
        ck_assert_int_eq(WIFSIGNALED(ended), 1);
        mnist_fast *again = load(model_path);
        const uint32_t crc = tensors_crc32(again, MF_WEIGHT);
        if (crc != tensors_crc32(networks[0], MF_WEIGHT) && crc != tensors_crc32(networks[1], MF_WEIGHT))
            support_fail("a third network");
        seen[crc == tensors_crc32(networks[1], MF_WEIGHT)] = true;
        mnist_fast_free(again);
    }
    ck_assert_msg(seen[0] && seen[1], "the kills came always before or always after the saves");
    mnist_fast_free(networks[0]);
    mnist_fast_free(networks[1]);
}
END_TEST

/* Several savers of one file do not disturb each other: the temporary is unique. */
START_TEST(savers_do_not_meet)
{
    enum { SAVERS = 3, SAVES = 30 };
    pid_t child[SAVERS];
    for (int i = 0; i < SAVERS; i++) {
        mnist_fast *network = small_network(20 + (uint64_t)i);
        save(network, model_path);
        child[i] = fork();
        ck_assert_int_ge(child[i], 0);
        for (int k = 0; child[i] == 0; k++)
            if (k == SAVES || mnist_fast_save(network, model_path, NULL))
                _exit(k < SAVES);
        mnist_fast_free(network);
    }
    for (int i = 0; i < SAVERS; i++) {
        int ended;
        do {
            mnist_fast_free(load(model_path));
        } while (waitpid(child[i], &ended, WNOHANG) == 0);
        support_case("saver %d", i);
        ck_assert_int_eq(ended, 0);
    }
    mnist_fast_free(load(model_path));
    ck_assert_int_eq(names_in(folder), 1);
}
END_TEST

int main(void)
{
    support_begin();
    Suite *suite = suite_create("model_save");
    TCase *saving = tcase_create("saving");
    tcase_set_timeout(saving, 60);
    tcase_add_checked_fixture(saving, setup, folder_remove);
    tcase_add_test(saving, saving_keeps_the_order);
    tcase_add_test(saving, failing_save_keeps_the_old_file);
    tcase_add_test(saving, unwritable_place_is_refused);
    tcase_add_test(saving, asking_leaves_nothing_behind);
    tcase_add_test(saving, links_and_permissions_stay);
    if (geteuid() == 0)
        tcase_add_test(saving, owner_stays);
    else
        printf("SKIP: only root can write another user's file\n");
    tcase_add_test(saving, long_path_keeps_the_reason);
    tcase_add_test(saving, other_files_are_written_alike);
    tcase_add_test(saving, killed_save_leaves_a_whole_file);
    tcase_add_test(saving, savers_do_not_meet);
    suite_add_tcase(suite, saving);
    return support_run(suite);
}
