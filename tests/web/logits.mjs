// tests/web/logits.mjs PAGE EXPECTED IMAGES PICTURES CHECKSUM: what the page computes must be what tests/web/native
// has written to EXPECTED, bit for bit.
import { readFileSync } from "node:fs";
import { readPage } from "./page.mjs";

const [path, expectedPath, images, pictures, checksum] = process.argv.slice(2);
const { page, wasm, modelFile, makeRecogniser } = readPage(path);
let failures = 0;
function expectSame(what, found, expected) {
    if (found !== expected && ++failures <= 5)
        console.log(`FAIL  tests/web/logits.mjs: ${what}: expected ${expected}, found ${found}`);
}

const file = readFileSync(expectedPath);
let at = 0;
const take = size => file.subarray(at, at += size);
const integer = () => take(4).readInt32LE();
const hex = array => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("hex");
const median = times => times.sort((a, b) => a - b)[times.length >> 1].toFixed(2);

const imports = WebAssembly.Module.imports(await WebAssembly.compile(wasm)).map(i => `${i.module}.${i.name}`);
expectSame("imports of the module, but for those of printf",
    imports.filter(name => !/^wasi_snapshot_preview1[.]fd_/.test(name)).join(), "env.mf_now");
expectSame("addresses in the page", (page.replace(/^[\w+/=]+$/gm, "").match(/https?:|src=|href=/g) ?? []).join(), "");

const recogniser = await makeRecogniser(wasm, modelFile);
expectSame("checksum", recogniser.checksum, checksum);

/* A network of one hidden unit, whose output is h, and the products of these weights with it almost or exactly half a
 * unit of the bias's last place: few sums of a trained network are so near to half way that two roundings go wrong. */
const d = 2 ** -23, h = 1 + d, half = 2 ** -24;
const hard = [ // weight, bias, the logit: h * weight + bias, rounded once
    [(1 - d) * half, 1, 1], [(1 + d) * half, 1, 1 + d], [half, 1, 1 + d], [half / 2, 1, 1],
    [(1 - d) * half, 1 + d, 1 + d], [(1 + d) * half, 1 + d, 1 + 2 * d],
].flatMap(([weight, bias, logit]) => [[weight, bias, logit], [-weight, -bias, -logit]]).slice(0, 10);
function safetensors(tensors) { // [[name, shape, numbers]]
    const data = Buffer.concat(tensors.map(([, , numbers]) => Buffer.from(Float32Array.from(numbers).buffer)));
    let end = 0;
    const header = Buffer.from(JSON.stringify(Object.fromEntries(tensors.map(([name, shape, numbers]) =>
        [name, { dtype: "F32", shape, data_offsets: [end, end += 4 * numbers.length] }]))));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    return new Uint8Array(Buffer.concat([length, header, data]));
}
const exact = await makeRecogniser(wasm, safetensors([
    ["0.weight", [1, 784], Array(784).fill(0)], ["0.bias", [1], [h]],
    ["2.weight", [10, 1], hard.map(([weight]) => weight)], ["2.bias", [10], hard.map(([, bias]) => bias)],
]));
exact.recognise(new Uint8Array(784)).logits.forEach((logit, i) =>
    expectSame(`fma(1 + 2^-23, ${hard[i][0]}, ${hard[i][1]})`, logit, hard[i][2]));

const read = [], prepared = [];
for (let i = 0; i < images; i++) {
    const pixels = take(784), logits = hex(take(40)), probabilities = hex(take(40)), digit = integer();
    const begin = performance.now(), found = recogniser.recognise(pixels);
    read.push(performance.now() - begin);
    expectSame(`logits of test image ${i}`, hex(found.logits), logits);
    expectSame(`probabilities of test image ${i}`, hex(found.probabilities), probabilities);
    expectSame(`digit of test image ${i}`, found.digit, digit);
}
for (let i = 0; i < pictures; i++) {
    const width = integer(), height = integer(), status = integer(), grey = take(width * height), pixels = take(784);
    const begin = performance.now(), found = recogniser.prepare(grey, width, height);
    prepared.push(performance.now() - begin);
    expectSame(`picture ${i}`, found ? hex(found) : "blank", status ? "blank" : hex(pixels));
}
expectSame("bytes left over", file.length - at, 0);

if (failures)
    console.log(`FAIL  tests/web/logits.mjs: ${failures} differences`);
else
    console.log(`ok    tests/web: 0 bits differ in the logits and probabilities of ${images} images and the pixels of ` +
        `${pictures} pictures; node ${process.versions.node}: ${median(prepared)} ms to prepare a picture, ` +
        `${median(read)} ms to read it (medians)`);
process.exit(failures ? 1 : 0);
