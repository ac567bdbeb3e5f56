// A headless Chromium, spoken to over a pipe (the DevTools protocol): real input events, other screens, pictures.
import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";

export class Chromium {
    #waiting = new Map();
    #number = 0;
    complaints = []; // of the page: errors, exceptions, and what its policy refused

    // profile: a folder for its files.
    static async start(command, profile) {
        const browser = new Chromium();
        const options = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--remote-debugging-pipe",
            `--user-data-dir=${profile}`, "about:blank"];
        browser.process = spawn(command, options, { stdio: ["ignore", "ignore", "ignore", "pipe", "pipe"] });
        browser.ended = new Promise((done, fail) => browser.process.on("exit", done).on("error", fail));
        browser.ended.then(code => browser.#waiting.forEach(({ fail }) => fail(new Error(`it ended with ${code}`))));
        let text = "";
        browser.process.stdio[4].setEncoding("utf8").on("data", part => {
            const messages = (text + part).split("\0");
            text = messages.pop();
            messages.forEach(message => browser.#receive(JSON.parse(message)));
        });
        const { targetId } = await browser.send("Target.createTarget", { url: "about:blank" });
        browser.session = (await browser.send("Target.attachToTarget", { targetId, flatten: true })).sessionId;
        for (const domain of ["Page", "Runtime", "Log"])
            await browser.send(`${domain}.enable`);
        return browser;
    }

    #receive({ id, method, params, result, error }) {
        if (method === "Runtime.exceptionThrown")
            this.complaints.push(params.exceptionDetails.exception?.description ?? params.exceptionDetails.text);
        else if (method === "Log.entryAdded")
            this.complaints.push(params.entry.text);
        const waiting = this.#waiting.get(id);
        this.#waiting.delete(id);
        if (waiting)
            error ? waiting.fail(new Error(error.message)) : waiting.done(result);
    }

    send(method, params = {}) {
        const id = ++this.#number;
        this.process.stdio[3].write(JSON.stringify({ id, method, params, sessionId: this.session }) + "\0");
        return new Promise((done, fail) => this.#waiting.set(id, { done, fail }));
    }

    async evaluate(expression) {
        const { result, exceptionDetails } = await this.send("Runtime.evaluate", { expression, awaitPromise: true });
        if (exceptionDetails)
            throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
        return result.value;
    }

    // Waits until the expression is true in the page.
    async until(expression) {
        for (const end = performance.now() + 20000; performance.now() < end;)
            if (await this.evaluate(expression))
                return;
            else
                await new Promise(done => setTimeout(done, 20));
        throw new Error(`not true after 20 s: ${expression}`);
    }

    // phone: with touch. scheme: light or dark.
    async screen(width, height, phone, scheme) {
        const scale = phone ? 2 : 1;
        await this.send("Emulation.setDeviceMetricsOverride", { width, height, deviceScaleFactor: scale, mobile: phone });
        await this.send("Emulation.setTouchEmulationEnabled", { enabled: phone });
        const features = [{ name: "prefers-color-scheme", value: scheme }];
        await this.send("Emulation.setEmulatedMedia", { features });
    }

    async picture(path) {
        const { data } = await this.send("Page.captureScreenshot", { format: "png" });
        writeFileSync(path, Buffer.from(data, "base64"));
    }

    async mouse(type, x, y) {
        const buttons = type === "mouseReleased" ? 0 : 1;
        await this.send("Input.dispatchMouseEvent", { type, x, y, button: "left", buttons, clickCount: 1 });
    }

    async touch(type, ...points) { // [x, y]
        await this.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y]) => ({ x, y })) });
    }

    async key(key, shift = false) {
        for (const type of ["keyDown", "keyUp"])
            await this.send("Input.dispatchKeyEvent", { type, key, modifiers: shift ? 8 : 0 });
    }

    async end() {
        await this.send("Browser.close").catch(() => { });
        await this.ended;
    }
}
