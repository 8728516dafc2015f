// Looks at the live page in a real browser, and says `ok NAME` or `not ok NAME` for each thing that is seen.
//
// usage: node page.mjs BASE_URL LINK LINK_FROM_ELSEWHERE SCREENSHOTS
// The daemon is to have runs of the jobs outreach and nightly that go on, and a queue.

import http from "node:http";
import { chromium } from "playwright-core";

const [base, link, linkFromElsewhere, screenshots] = process.argv.slice(2);
const EXECUTABLE = process.env.CHROMIUM || "/usr/bin/chromium";
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    // Names that a rebinding attack would have pointed here.
    "--host-resolver-rules=MAP *.example 127.0.0.1"];
const port = new URL(base).port;
const complaints = [];

function say(name, holds, detail = "") {
    console.log(holds ? `ok ${name}` : `not ok ${name}\n    ${detail}`);
}

function equal(name, expected, actual) {
    const [wanted, got] = [JSON.stringify(expected), JSON.stringify(actual)];
    say(name, wanted === got, `expected ${wanted}, was ${got}`);
}

// A page of whoever else is on the web, with whatever in it.
function otherSite(html) {
    return new Promise(resolve => {
        const server = http.createServer((request, response) => {
            response.setHeader("Content-Type", "text/html");
            response.end(html);
        });
        server.listen(0, "127.0.0.1", () => resolve(server));
    });
}

// Says everything that the console is told, and what should not be asked for.
function watch(page) {
    page.on("console", message => {
        if (["error", "warning"].includes(message.type())) complaints.push(message.text());
    });
    page.on("pageerror", error => complaints.push(error.message));
    page.on("request", request => {
        if (!request.url().startsWith(base)) complaints.push(`asks for ${request.url()}`);
    });
}

async function tryLink(page) {
    await page.goto(link);
    await page.waitForURL(base + "/reeve/");
    await page.waitForSelector("#runs tbody tr");
    say("a link opens the page, and is gone from the address", page.url() === base + "/reeve/", page.url());
    const [cookie] = await page.context().cookies();
    equal("its cookie is for this page alone", [true, "Strict", "/reeve/"], [cookie.httpOnly, cookie.sameSite, cookie.path]);
    equal("no script can read it", "", await page.evaluate(() => document.cookie));
}

async function tryUsedLink(browser) {
    const page = await (await browser.newContext()).newPage();
    const answer = await page.goto(link);
    equal("the link works once", [401, "This link does not work any more"],
        [answer.status(), await page.textContent("h1")]);
    await page.screenshot({ path: `${screenshots}/used.png` });
    equal("without a session the page is closed", 401, (await page.goto(base + "/reeve/")).status());
    await page.screenshot({ path: `${screenshots}/closed.png` });
    await page.context().close();
}

// The link is followed from a chat that runs in the browser.
async function tryLinkFromElsewhere(browser) {
    const site = await otherSite(`<a href="${linkFromElsewhere}">look</a>`);
    const page = await (await browser.newContext()).newPage();
    await page.goto(`http://chat.example:${site.address().port}/`);
    await page.click("a");
    await page.waitForSelector("#runs tbody tr");
    say("a link may be followed from another site", page.url() === base + "/reeve/", page.url());
    await page.context().close();
    site.close();
}

async function tryLive(page) {
    const spent = () => page.textContent("#spent");
    const before = await spent(), clock = await page.textContent("#as-of");
    await page.waitForFunction(([spent, clock]) =>
        document.querySelector("#spent").textContent !== spent && document.querySelector("#as-of").textContent !== clock,
        [before, clock], { timeout: 20000 });
    say("what is spent grows while somebody looks", Number((await spent()).slice(1)) > Number(before.slice(1)));
    equal("the runs are there", ["nightly", "outreach"], (await page.locator("#runs .open").allTextContents()).sort());
    equal("so are the ceilings", ["The box, per day", "outreach, per day"], await page.locator("#ceilings .what").allTextContents());
    equal("and who waits for a slot", ["reviews"], await page.locator("#queue .what > span").allTextContents());
    say("the health is said in a live region", await page.getAttribute("#health", "role") === "status");
    say("the title says what was spent", /^(! )?\$[0-9.]+ · reeve$/.test(await page.title()), await page.title());
}

// What the keyboard reaches, in its order, from the top.
async function tryKeyboard(page) {
    const reached = [];
    await page.evaluate(() => document.activeElement.blur());
    for (let i = 0; i < 11; i++) {
        await page.keyboard.press("Tab");
        reached.push(await page.evaluate(() => document.activeElement.textContent.trim()));
    }
    equal("the keyboard reaches everything, in order",
        ["Skip to the runs", "Pause", "By the hour", "Run", "Age", "Cost", "Tokens", "Exchanges"], reached.slice(0, 8));
    const run = page.locator("#runs .open").first();
    await run.focus();
    await page.keyboard.press("Enter");
    equal("a run is unfolded by the keyboard", ["true", true],
        [await run.getAttribute("aria-expanded"), await page.locator("#runs tr.more b").first().isVisible()]);
    const clock = await page.textContent("#as-of");
    await page.waitForFunction(clock => document.querySelector("#as-of").textContent !== clock, clock);
    say("and the focus stays there when something new comes",
        await run.evaluate(node => node === document.activeElement));
    await page.keyboard.press("Enter");
    await page.locator("[data-sort=cost]").focus();
    await page.keyboard.press("Enter");
    equal("a column sorts", ["descending", "nightly"],
        [await page.locator("th:has([data-sort=cost])").getAttribute("aria-sort"), await page.locator("#runs .open").first().textContent()]);
    await page.locator("#pause").focus();
    await page.keyboard.press("Space");
    const paused = await page.textContent("#as-of");
    await page.waitForTimeout(1500);
    equal("Pause stops it", [paused, "Resume"], [await page.textContent("#as-of"), await page.textContent("#pause")]);
    await page.keyboard.press("Space");
    await page.waitForFunction(clock => document.querySelector("#as-of").textContent !== clock, paused);
    say("and Resume goes on", true);
}

// Names of parts and tables as a screen reader has them, and that nothing is wider than the screen.
async function tryLooks(page) {
    for (const [name, width, height, colorScheme] of [["light", 1280, 900, "light"], ["dark", 1280, 900, "dark"],
        ["phone", 390, 844, "light"], ["phone-dark", 390, 844, "dark"]]) {
        await page.setViewportSize({ width, height });
        await page.emulateMedia({ colorScheme });
        await page.waitForTimeout(450); // bars move
        await page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true });
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        say(`${name}: nothing is wider than the screen`, wide <= 0, `${wide} px`);
        const contrast = await page.evaluate(leastContrast);
        say(`${name}: every text can be read (contrast 4.5 at least)`, contrast.least >= 4.5,
            `${contrast.least.toFixed(2)}: ${contrast.where}`);
    }
    await page.setViewportSize({ width: 1280, height: 900 });
    const unnamed = await page.evaluate(() => [...document.querySelectorAll("section, button, svg[role=img]")].filter(node =>
        !node.getAttribute("aria-label") && !node.textContent.trim()).map(node => node.outerHTML));
    equal("every part has a name", [], unnamed);
    equal("landmarks", ["header", "main", "footer"], await page.evaluate(() =>
        [...document.body.children].map(node => node.localName).filter(name => ["header", "main", "footer"].includes(name))));
}

// WCAG 2.2, 1.4.3; runs in the page.
function leastContrast() {
    const parse = color => color.match(/[\d.]+/g).map(Number);
    const luminance = ([r, g, b]) => [r, g, b].map(c => c / 255).map(c =>
        c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4).reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = node => {
        for (; node; node = node.parentElement) {
            const color = parse(getComputedStyle(node).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    let least = Infinity, where = "";
    for (const node of document.querySelectorAll("body *")) {
        const own = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
        if (!own || node.checkVisibility && !node.checkVisibility() || node.closest("noscript, script")) continue;
        const style = getComputedStyle(node);
        const [a, b] = [luminance(parse(node.closest("svg") ? style.fill : style.color)), luminance(behind(node))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < least) [least, where] = [contrast, node.outerHTML.slice(0, 120)];
    }
    return { least, where };
}

// In a browser that has a session, another site tries everything it can.
async function tryOtherSite(page) {
    const site = await otherSite("<title>elsewhere</title>");
    const other = await page.context().newPage();
    const tries = async origin => {
        await other.goto(origin);
        return other.evaluate(async target => {
            const tried = [];
            for (const mode of ["cors", "no-cors"])
                tried.push(await fetch(target + "/reeve/events", { mode, credentials: "include" }).then(answer =>
                    answer.text().then(text => (text === "" ? "EMPTY" : "READ")), () => "refused"));
            tried.push(await new Promise(resolve => {
                const source = new EventSource(target + "/reeve/events", { withCredentials: true });
                source.onmessage = () => resolve("READ");
                source.onerror = () => resolve("refused");
            }));
            tried.push(await new Promise(resolve => {
                const script = document.createElement("script");
                script.src = target + "/reeve/page.js";
                script.onload = () => resolve("LOADED");
                script.onerror = () => resolve("refused");
                document.body.append(script);
            }));
            tried.push(await fetch(target + "/metrics").then(() => "READ", () => "refused"));
            return tried;
        }, base);
    };
    const nothing = Array(5).fill("refused");
    equal("another site reads nothing", nothing, await tries(`http://evil.example:${site.address().port}/`));
    equal("nor does another port of this machine", nothing, await tries(`http://127.0.0.1:${site.address().port}/`));
    await other.goto(`http://evil.example:${site.address().port}/`);
    const framed = await other.evaluate(target => new Promise(resolve => {
        const frame = document.createElement("iframe");
        frame.src = target + "/reeve/";
        frame.onload = () => setTimeout(() => resolve(frame.contentDocument === null ? "opaque" : "READ"), 300);
        document.body.append(frame);
    }), base);
    const inside = other.frames().find(frame => frame !== other.mainFrame());
    say("nor can it frame the page", framed === "opaque" && await inside.locator("#runs").count() === 0, framed);
    const rebound = await other.goto(`http://evil.example:${port}/reeve/`);
    equal("a name that was pointed here is refused", 421, rebound.status());
    await other.close();
    site.close();
}

// As after a restart of the daemon: the next connection is refused.
async function tryEnd(page) {
    await page.context().clearCookies();
    await page.click("#pause");
    await page.click("#pause");
    await page.waitForFunction(() => document.querySelector("#health").textContent.startsWith("This session has ended"));
    say("a page whose session has ended says how to get another one",
        (await page.textContent("#health")).includes("reeve status --open"));
}

const browser = await chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
try {
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
    watch(page);
    await tryLink(page);
    await tryLive(page);
    await tryLooks(page);
    await tryKeyboard(page);
    equal("the console has nothing to complain of", [], complaints);
    await tryUsedLink(browser);
    await tryLinkFromElsewhere(browser);
    await tryOtherSite(page);
    await tryEnd(page);
} catch (error) {
    say("the browser does as it is told", false, error.stack);
} finally {
    await browser.close();
}
