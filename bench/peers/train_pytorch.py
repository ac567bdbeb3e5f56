"""The training in PyTorch."""

import contextlib

import common

phases = common.Phases()
import torch  # noqa: E402: importing it is a phase

phases.end("import")


def network():
    layers = []
    for inputs, outputs in zip(common.SIZES, common.SIZES[1:]):
        layer = torch.nn.Linear(inputs, outputs)
        torch.nn.init.xavier_uniform_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def train(args, data):
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    (images, labels), validation, test = [tuple(map(torch.from_numpy, part)) for part in data]
    model = network()
    adam = torch.optim.Adam(model.parameters(), lr=common.LEARNING_RATE, eps=common.EPSILON, fused=True)
    precision = contextlib.nullcontext()
    if args.variant == "bf16":
        precision = torch.autocast("cpu", torch.bfloat16)

    def loss_of(x, y):
        with precision:
            return torch.nn.functional.cross_entropy(model(x), y)

    @torch.inference_mode()
    def evaluate(x, y):
        with precision:
            logits = model(x).float()
        return torch.nn.functional.cross_entropy(logits, y).item(), (logits.argmax(1) == y).float().mean().item()

    if args.variant == "compile":
        loss_of = torch.compile(loss_of)
        loss_of(images[: common.BATCH], labels[: common.BATCH]).backward()
        phases.end("compile")

    for _ in range(args.epochs):
        for batch in torch.randperm(len(images)).split(common.BATCH):
            adam.zero_grad()
            loss_of(images[batch], labels[batch]).backward()
            adam.step()
        evaluate(*validation)
    phases.end("train")
    result = evaluate(*test)
    phases.end("test")
    return result


if __name__ == "__main__":
    arguments = common.arguments("bf16", "compile")
    parts = common.load(arguments)
    phases.end("load")
    common.report(torch.__version__, phases, *train(arguments, parts))
