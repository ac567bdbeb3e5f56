#include "limit.h"

#include <fcntl.h>
#include <filesystem>
#include <jansson.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>

namespace
{

/* The seconds of training, from the last line of the program's output: an object in JSON. */
double train_seconds(const std::string &output)
{
    const size_t end = output.find_last_not_of('\n'), begin = output.rfind('\n', end);
    json_t *const summary = json_loads(output.substr(begin + 1, end - begin).c_str(), 0, nullptr);
    const json_t *const seconds = json_object_get(summary, "train_seconds");
    if (!json_is_number(seconds))
        fail(options.program + ": the last line of its output has no train_seconds");
    const double value = json_number_value(seconds);
    json_decref(summary);
    return value;
}

std::string read_all(int descriptor)
{
    std::string text;
    char part[4096];
    for (ssize_t n; (n = read(descriptor, part, sizeof part)) > 0;)
        text.append(part, static_cast<size_t>(n));
    return text;
}

/* Runs the program once; returns its standard output. */
std::string run(const char *const argv[], rusage *usage)
{
    int ends[2];
    if (pipe(ends))
        fail(std::string("pipe: ") + std::strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t child;
    const int problem = posix_spawn(&child, argv[0], &actions, nullptr, const_cast<char **>(argv), environ);
    if (problem)
        fail(options.program + ": " + std::strerror(problem));
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    const std::string output = read_all(ends[0]);
    close(ends[0]);
    int status;
    wait4(child, &status, 0, usage);
    if (status)
        fail(options.program + ": failed; run it by hand to see why");
    return output;
}

} // namespace

void measure_program()
{
    std::string folder = std::filesystem::temp_directory_path() / "mnist_fast_limit_XXXXXX";
    if (!mkdtemp(folder.data()))
        fail(folder + ": " + std::strerror(errno));
    const std::string model = folder + "/model.safetensors", epochs = std::to_string(options.epochs);
    const char *const validation = options.quick ? "0.9" : "0.1";
    const char *const argv[] = {
        options.program.c_str(), "--json",   "--threads",    "2",      "--data",
        options.data.c_str(),    "--epochs", epochs.c_str(), "--save", model.c_str(),
        "--validation",          validation, nullptr,
    };
    for (int round = 0; round < options.repeat; round++) {
        rusage usage;
        const double begin = mf_now();
        const std::string output = run(argv, &usage);
        const double seconds = mf_now() - begin;
        record("program/whole run", "s", seconds);
        record("program/outside training", "s", seconds - train_seconds(output));
        record("program/peak memory", "MB", static_cast<double>(usage.ru_maxrss) * 1024 / 1e6);
    }
    unlink(model.c_str());
    rmdir(folder.c_str());
}
