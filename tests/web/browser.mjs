// tests/web/browser.mjs CHROMIUM PAGE FOLDER CHECKSUM: draws digits on a page with mouse, finger and keyboard, wide, on
// a phone's screen, light and dark, and expects that they are read. Leaves pictures in FOLDER.
import { pathToFileURL } from "node:url";
import { Chromium } from "./chromium.mjs";

const [command, path, folder, checksum] = process.argv.slice(2);
let failures = 0;
function expect(good, what) {
    if (!good && ++failures)
        console.log(`FAIL  tests/web/browser.mjs: ${what}`);
}

/* Part of an ellipse, in degrees clockwise from the right. */
function arc(x, y, wide, high, from, to) {
    return Array.from({ length: 13 }, (_, i) => (from + (to - from) * i / 12) * Math.PI / 180)
        .map(angle => [x + wide * Math.cos(angle), y + high * Math.sin(angle)]);
}

const digits = [ // strokes, on a square from 0 to 100
    [arc(50, 50, 24, 36, -90, 270)],
    [[[50, 14], [50, 86]]],
    [[...arc(50, 34, 22, 20, 190, 390), [28, 84], [76, 84]]],
    [[...arc(46, 32, 22, 18, 200, 440), ...arc(46, 68, 24, 18, -80, 160)]],
    [[[38, 14], [26, 56], [74, 56]], [[64, 22], [62, 88]]],
    [[[70, 14], [36, 14], [33, 44], ...arc(48, 62, 24, 22, -120, 140)]],
    [[[62, 12], [40, 36], ...arc(50, 66, 22, 20, 190, 550)]],
    [[[26, 18], [74, 18], [44, 86]]],
    [[...arc(50, 32, 19, 18, 90, -270), ...arc(50, 70, 22, 20, -90, 270)]],
    [[...arc(50, 34, 20, 20, 0, -360), [70, 34], [66, 60], [58, 88]]],
];

const browser = await Chromium.start(command, `${folder}/profile`);
const text = id => browser.evaluate(`document.getElementById("${id}").textContent`);

// Opens the page; gives the drawing's place on the screen.
async function open(width, height, phone, scheme) {
    await browser.screen(width, height, phone, scheme);
    await browser.send("Page.navigate", { url: pathToFileURL(path).href });
    await browser.until(`document.readyState === "complete" && !!document.getElementById("checksum").textContent`);
    expect(await text("checksum") === checksum, `the checksum is ${await text("checksum")}, expected ${checksum}`);
    const wide = await browser.evaluate("document.documentElement.scrollWidth");
    expect(wide <= width, `the page is ${wide} pixels wide, the screen ${width}`);
    return JSON.parse(await browser.evaluate(
        `JSON.stringify(document.getElementById("drawing").getBoundingClientRect())`));
}

async function expectRead(digit, how) {
    await browser.until("!painting && !reading");
    const said = await text("said"), found = await text("digit"), bars = JSON.parse(await browser.evaluate(
        `JSON.stringify([...document.querySelectorAll("#bars tr")].map(row => parseFloat(row.cells[2].textContent)))`));
    expect(found === String(digit), `${how}: a ${digit} is read as ${found} (${bars})`);
    expect(said.startsWith(digit === "–" ? "nothing to read" : `read as ${digit}, `), `${how}: it says '${said}'`);
    if (digit !== "–")
        expect(bars.length === 10 && Math.max(...bars) === bars[digit], `${how}: the bars of a ${digit} are ${bars}`);
}

const scaled = (place, [x, y]) => [place.x + x / 100 * place.width, place.y + y / 100 * place.height];

async function drawWithMouse(place, strokes) {
    for (const stroke of strokes) {
        await browser.mouse("mousePressed", ...scaled(place, stroke[0]));
        for (const point of stroke)
            await browser.mouse("mouseMoved", ...scaled(place, point));
        await browser.mouse("mouseReleased", ...scaled(place, stroke.at(-1)));
    }
}

async function drawWithFinger(place, strokes) {
    for (const stroke of strokes) {
        await browser.touch("touchStart", scaled(place, stroke[0]));
        for (const point of stroke)
            await browser.touch("touchMove", scaled(place, point));
        await browser.touch("touchEnd");
    }
}

const press = id => browser.evaluate(`document.getElementById("${id}").click()`);

try {
    let place = await open(1000, 800, false, "light");
    for (const [digit, strokes] of digits.entries()) {
        await drawWithMouse(place, strokes);
        await expectRead(digit, "mouse");
        if (digit === 2)
            await browser.picture(`${folder}/wide.png`);
        await press("clear");
        await expectRead("–", "clear");
    }
    await drawWithMouse(place, [digits[7][0], [[10, 90], [90, 90]]]);
    await press("undo");
    await expectRead(7, "undo");
    const time = await text("time");
    expect(/^[\d.]+ ms .* [\d.]+ ms to read it$/.test(time), `the time is '${time}'`);

    place = await open(390, 844, true, "light");
    expect(place.y + place.height < 844, "a phone's screen does not hold the drawing");
    await drawWithFinger(place, digits[3]);
    await expectRead(3, "finger");
    await browser.picture(`${folder}/phone.png`);

    place = await open(390, 844, true, "dark");
    await drawWithFinger(place, digits[5]);
    await expectRead(5, "finger, dark");
    await browser.picture(`${folder}/phone-dark.png`);

    await open(1000, 800, false, "dark");
    await browser.evaluate(`document.getElementById("drawing").focus()`);
    for (let i = 0; i < 9; i++)
        await browser.key("ArrowUp");
    for (let i = 0; i < 18; i++)
        await browser.key("ArrowDown", true);
    await browser.key("Shift");
    await expectRead(1, "keyboard");
    await browser.picture(`${folder}/dark.png`);

    expect(!browser.complaints.length, `the browser complains: ${browser.complaints[0]}`);
    if (!failures)
        console.log(`ok    tests/web: digits drawn in ${(await browser.send("Browser.getVersion")).product}: ${time}; ` +
            `pictures in ${folder}`);
} catch (error) {
    expect(false, error.message);
}
await browser.end();
process.exit(failures ? 1 : 0);
