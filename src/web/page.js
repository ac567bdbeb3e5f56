"use strict";
/* The page: strokes are painted, and read after each change. */
const SIDE = 280, PEN = 20, STEP = 10; // of the drawing; the width of the pen; a press of an arrow key

const element = id => document.getElementById(id);
const canvas = element("drawing"), ink = canvas.getContext("2d", { willReadFrequently: true });
const seen = element("seen").getContext("2d");
const strokes = []; // each a list of [x, y]
const pen = [SIDE / 2, SIDE / 2]; // of the keyboard
let recogniser, painting = false, reading = false, aloud = false, cost = 0; // cost: of a reading, in ms

function paint() {
    ink.fillStyle = "#fff";
    ink.fillRect(0, 0, SIDE, SIDE);
    ink.lineWidth = PEN;
    ink.lineCap = ink.lineJoin = "round";
    for (const [first, ...others] of strokes) {
        ink.beginPath();
        ink.moveTo(...first);
        for (const point of others.length ? others : [first]) // a line to where it begins is a dot
            ink.lineTo(...point);
        ink.stroke();
    }
}

function percent(p) {
    return (100 * p).toFixed(p < 0.9995 || p === 1 ? 1 : 2) + "%";
}

function show(digit, probabilities) {
    element("digit").textContent = digit ?? "–";
    for (let i = 0; i < 10; i++) {
        const p = probabilities ? probabilities[i] : 0, row = element("bars").rows[i];
        row.className = i === digit ? "first" : "";
        row.querySelector("i").style.width = 100 * p + "%";
        row.cells[2].textContent = probabilities ? percent(p) : "";
    }
}

/* What the network sees: ink is dark, as it was drawn. */
function showSeen(pixels) {
    const image = new ImageData(28, 28);
    for (let i = 0; i < 784; i++)
        image.data.set([255 - pixels[i], 255 - pixels[i], 255 - pixels[i], 255], 4 * i);
    seen.putImageData(image, 0, 0);
}

function read() {
    paint();
    const grey = new Uint8Array(SIDE * SIDE), rgba = ink.getImageData(0, 0, SIDE, SIDE).data;
    for (let i = 0; i < grey.length; i++)
        grey[i] = rgba[4 * i];
    const begin = performance.now(), pixels = recogniser.prepare(grey, SIDE, SIDE);
    if (!pixels) {
        showSeen(new Uint8Array(784));
        show();
        element("time").textContent = "";
        return "nothing to read";
    }
    const middle = performance.now(), { digit, probabilities } = recogniser.recognise(pixels), end = performance.now();
    showSeen(pixels);
    show(digit, probabilities);
    element("time").textContent = `${(middle - begin).toFixed(1)} ms to find the digit and scale it, ` +
        `${(end - middle).toFixed(1)} ms to read it`;
    return `read as ${digit}, ${percent(probabilities[digit])}`;
}

/* Paints before the next frame. Reads soon, but for half of the time at most, so that the pen follows the hand on slow
 * phones too. finished: a screen reader says what was read. */
function change(finished) {
    element("undo").disabled = element("clear").disabled = !strokes.length;
    aloud ||= finished;
    if (!painting)
        requestAnimationFrame(() => {
            painting = false;
            paint();
        });
    painting = true;
    if (!reading && recogniser)
        setTimeout(() => {
            const begin = performance.now(), text = read();
            if (aloud)
                element("said").textContent = text;
            reading = aloud = false;
            cost = performance.now() - begin;
        }, cost);
    reading = !!recogniser;
}

/* ---- mouse, finger and pen ---- */

function place(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * SIDE, (event.clientY - box.top) / box.height * SIDE];
}

let drawing; // the pointer that draws
canvas.addEventListener("pointerdown", event => {
    if (drawing !== undefined || event.button !== 0)
        return;
    drawing = event.pointerId;
    canvas.setPointerCapture(drawing);
    element("pen").hidden = true;
    strokes.push([place(event)]);
    change(false);
});
canvas.addEventListener("pointermove", event => {
    if (event.pointerId !== drawing)
        return;
    const events = event.getCoalescedEvents?.() ?? [];
    strokes[strokes.length - 1].push(...(events.length ? events : [event]).map(place));
    change(false);
});
for (const type of ["pointerup", "pointercancel"])
    canvas.addEventListener(type, event => {
        if (event.pointerId !== drawing)
            return;
        drawing = undefined;
        change(true);
    });

/* ---- keyboard and buttons ---- */

function undo() {
    strokes.pop();
    change(true);
}

function clear() {
    strokes.length = 0;
    change(true);
}

const arrows = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] };
let line; // the stroke that the keyboard goes on with
canvas.addEventListener("keydown", event => {
    const move = arrows[event.key];
    if (event.key === "Backspace" && strokes.length)
        undo();
    else if (event.key === "Delete")
        clear();
    else if (!move)
        return;
    event.preventDefault();
    if (!move) {
        line = undefined;
        return;
    }
    if (event.shiftKey && !strokes.includes(line))
        strokes.push(line = [[...pen]]);
    for (let i = 0; i < 2; i++)
        pen[i] = Math.min(SIDE - PEN / 2, Math.max(PEN / 2, pen[i] + move[i]));
    if (event.shiftKey)
        line.push([...pen]);
    else
        line = undefined;
    element("pen").hidden = false;
    element("pen").style.left = 100 * pen[0] / SIDE + "%";
    element("pen").style.top = 100 * pen[1] / SIDE + "%";
    change(false);
});
canvas.addEventListener("keyup", event => {
    if (event.key === "Shift" && line)
        change(true);
});
canvas.addEventListener("blur", () => element("pen").hidden = true);
element("undo").addEventListener("click", undo);
element("clear").addEventListener("click", clear);

/* ---- the start ---- */

for (let i = 0; i < 10; i++)
    element("bars").insertRow().innerHTML = `<th scope="row">${i}</th><td><i></i></td><td></td>`;
paint();
showSeen(new Uint8Array(784));
makeRecogniser(fromBase64(element("wasm").text), fromBase64(element("model").text)).then(made => {
    recogniser = made;
    const { facts, layers, parameters, checksum } = made;
    element("checksum").textContent = checksum;
    element("network").textContent = `${layers.join("–")}, ${parameters.toLocaleString("en")} parameters`;
    element("training").textContent = `seed ${facts.seed}, ${facts.epochs} epoch${facts.epochs === "1" ? "" : "s"}`;
    change(false);
}).catch(error => {
    element("said").className = "error";
    element("said").textContent = `This browser cannot run the network (${error.message}); use a newer one.`;
});
