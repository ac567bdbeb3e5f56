// The parts of a page that src/web/assemble has made: {wasm, modelFile, makeRecogniser}.
import { readFileSync } from "node:fs";
import vm from "node:vm";

export function readPage(path) {
    const page = readFileSync(path, "utf8");
    const part = id => page.match(new RegExp(`<script id="${id}"[^>]*>\\n(.*?)</script>`, "s"))[1];
    const { fromBase64, makeRecogniser } = vm.runInThisContext(part("recogniser") + "\n({ fromBase64, makeRecogniser });");
    return { page, wasm: fromBase64(part("wasm")), modelFile: fromBase64(part("model")), makeRecogniser };
}
