"use strict";
/* A model of mnist_fast and the program's own code, compiled to WebAssembly, as an object; for the page and for tests.
 * recogniser.h describes what the module exports. */

const BAD_DATA = 5; // MNIST_FAST_BAD_DATA
const ENOSYS = 52; // of WASI: a page has no files

/* The table of zlib's crc32. */
const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
    for (let bit = 0; bit < 8; bit++)
        n = n & 1 ? n >>> 1 ^ 0xedb88320 : n >>> 1;
    return n;
});

function crc32(bytes) {
    let crc = ~0;
    for (let i = 0; i < bytes.length; i++)
        crc = crc >>> 8 ^ crcTable[(crc ^ bytes[i]) & 255];
    return (~crc >>> 0).toString(16).padStart(8, "0");
}

function fromBase64(text) {
    return Uint8Array.from(atob(text), character => character.charCodeAt(0));
}

/* The parts of a safetensors file: {facts, tensors: [{name, shape, bytes}], data}. */
function readModel(file) {
    const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
    const { __metadata__: facts, ...entries } = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length)));
    const data = file.subarray(8 + length);
    const tensors = Object.entries(entries).sort((a, b) => a[1].data_offsets[0] - b[1].data_offsets[0])
        .map(([name, { shape, data_offsets }]) => ({ name, shape, bytes: data.subarray(...data_offsets) }));
    return { facts, tensors, data };
}

/* wasm, modelFile: bytes. The model is one that --save wrote. */
async function makeRecogniser(wasm, modelFile) {
    const { instance } = await WebAssembly.instantiate(wasm, {
        env: { mf_now: () => performance.now() / 1000 },
        wasi_snapshot_preview1: new Proxy({}, { get: () => () => ENOSYS }), // what printf could write to
    });
    const code = instance.exports;
    const memory = (type, address, length) => new type(code.memory.buffer, address, length);

    function write(values) { // to the module's buffer
        const address = code.web_buffer(values.byteLength);
        if (!address)
            throw new Error("no memory for the network; close other pages");
        memory(Uint8Array, address, values.byteLength).set(new Uint8Array(values.buffer, values.byteOffset,
            values.byteLength));
    }
    function check(status) {
        if (!status)
            return;
        const text = memory(Uint8Array, code.web_error(), 512);
        throw new Error(new TextDecoder().decode(text.slice(0, text.indexOf(0))));
    }

    const model = readModel(modelFile);
    const hidden = model.tensors.filter(t => t.name.endsWith(".weight")).map(t => t.shape[0]).slice(0, -1);
    write(Int32Array.from(hidden));
    check(code.web_create(hidden.length));
    model.tensors.forEach((tensor, i) => {
        write(tensor.bytes);
        code.web_set_tensor(i);
    });

    return {
        facts: model.facts,
        layers: [784, ...hidden, 10],
        parameters: model.data.length / 4,
        checksum: crc32(model.data), // as the program prints it: weights crc32

        /* The 784 bytes that the network reads of a picture of grey levels, 0 = black; null where it is blank. */
        prepare(grey, width, height) {
            write(grey);
            const status = code.web_prepare(width, height);
            if (status === BAD_DATA)
                return null;
            check(status);
            return memory(Uint8Array, code.web_pixels(), 784).slice();
        },

        /* {digit, logits, probabilities} of such bytes. */
        recognise(pixels) {
            memory(Uint8Array, code.web_pixels(), 784).set(pixels);
            const digit = code.web_recognise();
            if (digit < 0)
                throw new Error("no memory for the network; close other pages");
            return {
                digit,
                logits: memory(Float32Array, code.web_logits(), 10).slice(),
                probabilities: memory(Float32Array, code.web_probabilities(), 10).slice(),
            };
        },
    };
}
