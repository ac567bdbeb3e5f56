#!/usr/bin/python3
"""Ten Adam steps of a small network by PyTorch in double precision, for tests/test_network.c:

    /usr/bin/python3 tests/golden/trace.py >tests/golden/trace      (package python3-torch)

Weights and images come from an integer formula that both sides share, so every input is exact in single precision.

The last column is how far an engine in single precision may be off. The trace is repeated with every intermediate
result moved, up or down at random, by what its own rounding may do: rounding(k) * sum |a * b| for a sum of k products,
where rounding(k) is the sure bound (k + 1) * eps, or 4 * sqrt(k) * eps where that is less, which independent roundings
exceed once in thousands of times (Higham and Mary, "A new approach to probabilistic rounding error analysis", 2019);
eps = 2^-24. What becomes of that in ten steps is measured here, not guessed. The tolerance is twice the largest
deviation of REPEATS such runs, because random signs do not find the very worst case."""
import math

import torch

EPS = 2.0 ** -24
SIZES = [784, 12, 9, 10]
BATCH, STEPS, REPEATS = 8, 10, 40

torch.set_default_dtype(torch.float64)
torch.set_num_threads(1)


def single(x):
    return torch.tensor(x, dtype=torch.float32).item()


def scramble(a, b):
    h = (a * 0x9E3779B1 + b * 0x85EBCA77) & 0xFFFFFFFF
    h = ((h ^ (h >> 15)) * 0x2C1B3C6D) & 0xFFFFFFFF
    return h ^ (h >> 13)


def pixel(image, place):
    h = scramble(image, place)
    return h >> 24 if h & 255 < 80 else 0


def label(image):
    return (7 * image + 3) % 10


def weight(tensor, index):
    """In (-1/8, 1/8) for the first layer, else in (-1/2, 1/2); a multiple of 2^-26."""
    return ((scramble(1000 + tensor, index) >> 8) - (1 << 23)) / (1 << 23) * (0.125 if tensor < 2 else 0.5)


def rounding(k):
    return EPS * min(k + 1, 4 * math.sqrt(k))


def sign(like):
    return torch.randint(0, 2, like.shape) * 2.0 - 1.0


def trace(images, labels, moved):
    """The losses before each step, and the tensors after the last. moved: 1 with roundings of single precision, else 0."""
    tensors = []
    for layer in range(len(SIZES) - 1):
        n, out = SIZES[layer], SIZES[layer + 1]
        for t, shape in (2 * layer, (out, n)), (2 * layer + 1, (out,)):
            values = [weight(t, i) for i in range(n * out if len(shape) == 2 else out)]
            tensors.append(torch.tensor(values).reshape(shape).requires_grad_())
    adam = torch.optim.Adam(tensors, lr=single(0.001), betas=(single(0.9), single(0.999)), eps=single(1e-7))
    losses = []
    for step in range(STEPS):
        batch = slice(step * BATCH, (step + 1) * BATCH)
        h = images[batch] / 255
        h = h + moved * EPS * sign(h) * h
        inputs, outputs, later = [], [], {}
        for layer in range(len(SIZES) - 1):
            w, b = tensors[2 * layer], tensors[2 * layer + 1]
            inputs.append(h)
            z = h @ w.T + b
            size = (h.detach().abs() @ w.detach().abs().T) + b.detach().abs()
            z = z + moved * rounding(SIZES[layer]) * sign(z) * size
            z.retain_grad()
            outputs.append(z)
            h = torch.relu(z)
            if layer + 2 < len(SIZES):
                # the gradient that arrives at h is a sum over the next layer, known once its own has arrived
                def move(g, layer=layer):
                    wt, dz = tensors[2 * layer + 2].detach(), later[layer + 1]
                    return g + moved * rounding(SIZES[layer + 2]) * sign(g) * (dz.abs() @ wt.abs())
                h.register_hook(move)

            def keep(g, layer=layer):
                # softmax: an exponential good to two units, a sum of ten, a division, the scale
                if layer + 2 == len(SIZES):
                    g = g + moved * 24 * EPS * sign(g) * g.abs().max(1, keepdim=True).values
                later[layer] = g
                return g
            z.register_hook(keep)
        loss = torch.nn.functional.cross_entropy(z, labels[batch])
        losses.append(loss.item() * (1 + moved * 16 * EPS * sign(loss).item()))
        adam.zero_grad()
        loss.backward()
        with torch.no_grad():
            for layer in range(len(SIZES) - 1):
                dz, x = later[layer].abs(), inputs[layer].abs()
                w, b = tensors[2 * layer], tensors[2 * layer + 1]
                w.grad += moved * rounding(BATCH) * sign(w) * (dz.T @ x)
                b.grad += moved * rounding(BATCH) * sign(b) * dz.sum(0)
        adam.step()
        with torch.no_grad():
            for t in tensors:  # the step itself: a dozen operations, and its sum with the weight
                t += moved * EPS * sign(t) * (t.abs() + 12 * single(0.001))
    return losses, [t.detach().flatten() for t in tensors]


def main():
    torch.manual_seed(1)
    count = BATCH * STEPS
    images = torch.tensor([[pixel(i, p) for p in range(784)] for i in range(count)], dtype=torch.float64)
    labels = torch.tensor([label(i) for i in range(count)])
    losses, tensors = trace(images, labels, 0)
    loss_off = [0.0] * STEPS
    off = [torch.zeros_like(t) for t in tensors]
    for _ in range(REPEATS):
        other_losses, other = trace(images, labels, 1)
        loss_off = [max(o, abs(a - b)) for o, a, b in zip(loss_off, losses, other_losses)]
        off = [torch.maximum(o, (a - b).abs()) for o, a, b in zip(off, tensors, other)]

    print(f"# tests/golden/trace.py, PyTorch {torch.__version__}: name, index, value, tolerance")
    for step in range(STEPS):
        print(f"loss {step} {losses[step]:.17g} {2 * loss_off[step]:.3g}")
    for t, values in enumerate(tensors):
        name = f"{t // 2 * 2}.{'bias' if t % 2 else 'weight'}"
        for i in range(0, len(values), 47 if t == 0 else 1):
            print(f"{name} {i} {values[i].item():.17g} {2 * off[t][i].item():.3g}")


main()
