// Use the library from C++17, with objects that free themselves and errors as exceptions: evaluate MODEL DATA
//
// Prints the accuracy on the test images in DATA, and for each digit what it is most often mistaken for.
// Build: c++ -std=c++17 evaluate.cc $(pkg-config --cflags --libs mnist_fast)
#include <mnist_fast.h>

#include <cstdio>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>

namespace
{

// Calls a function of the library whose last argument is a mnist_fast_error.
template <class Function, class... Arguments> void call(Function *function, Arguments... arguments)
{
    mnist_fast_error error;
    if (function(arguments..., &error) != MNIST_FAST_OK)
        throw std::runtime_error(error.text);
}

struct Free {
    void operator()(mnist_fast *network) const
    {
        mnist_fast_free(network);
    }
};
using Network = std::unique_ptr<mnist_fast, Free>;

Network load(const std::string &path)
{
    mnist_fast *network;
    call(mnist_fast_load, path.c_str(), nullptr, &network);
    return Network(network);
}

struct Images : mnist_fast_images {
    Images(const std::string &folder, mnist_fast_part part) : mnist_fast_images{}
    {
        call(mnist_fast_load_images, folder.c_str(), part, 1, this);
    }
    ~Images()
    {
        mnist_fast_free_images(this);
    }
    Images(const Images &) = delete;
    Images &operator=(const Images &) = delete;
};

void evaluate(const std::string &model, const std::string &data)
{
    const Network network = load(model);
    const Images images(data, MNIST_FAST_TEST);
    mnist_fast_metrics metrics;
    uint32_t confusion[MNIST_FAST_CLASSES][MNIST_FAST_CLASSES];
    call(mnist_fast_evaluate, network.get(), &images, &metrics, confusion);
    std::printf("accuracy %.2f%% of %zu images\n", 100 * metrics.accuracy, images.count);
    for (int digit = 0; digit < MNIST_FAST_CLASSES; digit++) {
        int worst = (digit + 1) % MNIST_FAST_CLASSES;
        for (int other = 0; other < MNIST_FAST_CLASSES; other++)
            if (other != digit && confusion[digit][other] > confusion[digit][worst])
                worst = other;
        std::printf("%d is read as %d %u times\n", digit, worst, static_cast<unsigned>(confusion[digit][worst]));
    }
}

} // namespace
int main(int argc, char **argv)
{
    if (argc != 3)
        return std::fprintf(stderr, "usage: evaluate MODEL DATA\n"), 2;
    try {
        evaluate(argv[1], argv[2]);
    } catch (const std::exception &error) {
        return std::fprintf(stderr, "evaluate: %s\n", error.what()), 1;
    }
}
