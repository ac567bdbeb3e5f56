/* `mnist_fast export`: a model for other programs. */
#include "commands.h"
#include "files.h"
#include "onnx.h"
#include "program.h"
#include "session.h"

#include <stdio.h>

int cli_export(const struct cli_options *options)
{
    const char *const model = options->models.text[0];
    const mnist_fast_runtime runtime = cli_runtime(options);
    mnist_fast *network;
    mnist_fast_error error;
    if (cli_same_file(model, options->onnx)) {
        cli_message("%s: is the model itself (expected another file for ONNX); choose another name", options->onnx);
        return CLI_FAILED;
    }
    if (mnist_fast_load(model, &runtime, &network, &error))
        return cli_failed(&error);
    int code = CLI_DONE;
    if (cli_onnx_write(network, options->onnx, &error))
        code = cli_failed(&error);
    else if (!options->quiet)
        printf("  weights   crc32 %08x\n", (unsigned)mnist_fast_weights_crc32(network));
    mnist_fast_free(network);
    return code;
}
