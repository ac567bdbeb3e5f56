#include "limit.h"

#include <getopt.h>

Options options;
double load_average;

namespace
{

const char *const usage =
    "usage: limit [OPTION]...\n"
    "Measures how near training comes to the limit of this CPU: whole trainings, kernels, prediction, the program.\n"
    "\n"
    "  --isa LIST        instruction sets, such as avx512,avx2-bf16; otherwise all that this CPU runs and that have an "
    "FMA "
    "peak\n"
    "  --threads LIST    such as 1,2, at most the processors; otherwise 1,2\n"
    "  --repeat N        trainings for each instruction set and number of threads; otherwise 5\n"
    "  --quick           one short training of each: to see that all works, not to measure\n"
    "  --json FILE       write every value to FILE\n"
    "  --data FOLDER     the MNIST files; otherwise MNIST_FAST_DATA, or data\n"
    "  --program FILE    the program; otherwise ./mnist_fast\n"
    "  --help            this text\n"
    "\n";

[[noreturn]] void bad_option(const std::string &text)
{
    fail(text + "; see limit --help", 2);
}

std::vector<std::string> split(const std::string &text)
{
    std::vector<std::string> parts(1);
    for (const char c : text)
        if (c == ',')
            parts.emplace_back();
        else
            parts.back() += c;
    return parts;
}

int number(const char *option, const std::string &text, int most)
{
    char *end;
    errno = 0;
    const long value = std::strtol(text.c_str(), &end, 10);
    if (text.empty() || *end || errno || value < 1 || value > most)
        bad_option(std::string(option) + ": expected a number from 1 to " + std::to_string(most) + ", found '" + text +
                   "'");
    return static_cast<int>(value);
}

bool has_peak(const mf_kernels *isa)
{
    return isa && isa->supported() && fma_rounds(title_of(isa), 1) > 0;
}

void choose_isas()
{
    for (const std::string &isa : options.isas)
        if (!has_peak(kernels_titled(isa)))
            bad_option("--isa: '" + isa + "' is unknown, cannot run here, or has no FMA peak to compare with");
    if (!options.isas.empty())
        return;
    for (const mf_precision precision : {MF_FP32, MF_BF16})
        for (const mf_kernels *const *isa = mf_isas_of(precision); *isa; isa++)
            if (has_peak(*isa))
                options.isas.push_back(title_of(*isa));
            else
                std::printf("%s: skipped, %s\n", title_of(*isa).c_str(),
                            (*isa)->supported() ? "it has no FMA peak to compare with" : "this CPU cannot run it");
    if (options.isas.empty())
        fail("no instruction set here has an FMA peak to compare with");
}

void read_options(int argc, char **argv)
{
    static const option table[] = {
        {"isa", 1, nullptr, 'i'},     {"threads", 1, nullptr, 't'}, {"repeat", 1, nullptr, 'r'},
        {"quick", 0, nullptr, 'q'},   {"json", 1, nullptr, 'j'},    {"data", 1, nullptr, 'd'},
        {"program", 1, nullptr, 'p'}, {"help", 0, nullptr, 'h'},    {},
    };
    const int processors = mf_cpu_read().affinity;
    for (int c; (c = getopt_long(argc, argv, "", table, nullptr)) != -1;)
        switch (c) {
        case 'i': options.isas = split(optarg); break;
        case 't':
            options.threads.clear();
            for (const std::string &text : split(optarg))
                options.threads.push_back(number("--threads", text, processors));
            break;
        case 'r': options.repeat = number("--repeat", optarg, 1000); break;
        case 'q': options.quick = true; break;
        case 'j': options.json = optarg; break;
        case 'd': options.data = optarg; break;
        case 'p': options.program = optarg; break;
        case 'h': std::printf("%s%s", usage, definitions); std::exit(0);
        default: std::exit(2); /* getopt has said what is wrong */
        }
    if (optind < argc)
        bad_option(std::string("unexpected argument '") + argv[optind] + "'");
    if (options.quick)
        options.repeat = options.epochs = 1;
    if (options.threads.empty())
        options.threads = processors > 1 ? std::vector<int>{1, 2} : std::vector<int>{1};
    std::sort(options.threads.begin(), options.threads.end());
    options.threads.erase(std::unique(options.threads.begin(), options.threads.end()), options.threads.end());
    choose_isas();
}

mnist_fast_images load(mnist_fast_part part, size_t quick_count)
{
    mnist_fast_images images;
    mnist_fast_error error;
    must(mnist_fast_load_images(options.data.c_str(), part, 1, &images, &error), error);
    if (options.quick)
        images.count = std::min(images.count, quick_count);
    return images;
}

} // namespace

int main(int argc, char **argv)
{
    read_options(argc, argv);
    if (getloadavg(&load_average, 1) == 1 && load_average > 0.5)
        std::printf("This machine is busy (load %.1f): wall times include that in full, those of kernels partly.\n",
                    load_average);
    measure_program();

    mnist_fast_images images = load(MNIST_FAST_TRAIN, 4000), test_images = load(MNIST_FAST_TEST, 1000);
    const int most = options.threads.back();
    for (int round = 0; round < options.repeat; round++)
        for (const std::string &isa : options.isas) {
            double seconds = 0;
            for (const int threads : options.threads)
                seconds = measure_training(isa, threads, images);
            const double crowded = measure_training(isa, 16, images);
            record(label("training", isa, 16) + "/over threads:" + std::to_string(most), "x", crowded / seconds);
        }
    for (const std::string &isa : options.isas) {
        for (const int threads : options.threads)
            measure_kernels(isa, threads, images);
        measure_test_set(isa, most, test_images);
        measure_one_image(isa, test_images);
        measure_skipping(isa, most, images);
        if (options.threads.front() == 1)
            predict_scaling(isa, images);
    }
    for (const int threads : options.threads) {
        measure_bandwidth("L2", 192 << 10, threads);
        measure_bandwidth("L3", 4 << 20, threads);
        measure_bandwidth("memory", 256 << 20, threads);
    }
    print_table();
    for (const std::string &isa : options.isas)
        for (const int threads : options.threads)
            print_phases(label("training", isa, threads));
    std::printf("\n%s", definitions);
    if (!options.json.empty())
        write_json(options.json);
    mnist_fast_free_images(&images);
    mnist_fast_free_images(&test_images);
}
