// The live page: server-sent events in, the document out. Rows are kept and changed in place, so that
// focus, selection and what is unfolded stay where they are.

import { drawCurve, hoursOf } from "./chart.js";

const WARN = 0.8; // of a ceiling
const RETRY_MS = 10000;

const $ = id => document.getElementById(id);
let source = null, latest = null, paused = false, retryTimer = 0;
let sortBy = null, sortDown = true;
let pointed = null; // what the pointer is at on the curve

// ---- words

// As `reeve status` writes it: the cents that matter.
function money(text) {
    const value = Number(text);
    return "$" + value.toFixed(value !== 0 && Math.abs(value) < 1 ? 4 : 2);
}

// A limit is written as somebody would: "$0.50".
function limit(text) {
    return money(text).replace(/(\.\d\d\d*?)0+$/, "$1");
}

function count(value) {
    if (value < 10000) return String(value);
    if (value < 1e6) return (value / 1e3).toFixed(value < 1e5 ? 1 : 0) + "K";
    return (value / 1e6).toFixed(value < 1e8 ? 2 : 0) + "M";
}

function bytes(value) {
    const units = ["bytes", "KB", "MB", "GB"];
    let unit = 0;
    while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++; }
    return (unit === 0 ? value : value.toFixed(1)) + " " + units[unit];
}

function duration(ms) {
    const s = Math.max(0, Math.floor(ms / 1000));
    if (s < 60) return s + " s";
    if (s < 3600) return Math.floor(s / 60) + " min " + s % 60 + " s";
    if (s < 86400) return Math.floor(s / 3600) + " h " + Math.floor(s / 60) % 60 + " min";
    return Math.floor(s / 86400) + " d " + Math.floor(s / 3600) % 24 + " h";
}

const clocks = new Map();
function clock(time, seconds = false) {
    const key = latest.today.zone + seconds;
    if (!clocks.has(key))
        clocks.set(key, new Intl.DateTimeFormat("en-GB", { timeZone: latest.today.zone, hour: "2-digit",
            minute: "2-digit", second: seconds ? "2-digit" : undefined }));
    return clocks.get(key).format(time);
}

// A moment beyond today needs its day.
function moment(text) {
    const time = Date.parse(text);
    if (time >= Date.parse(latest.today.start) && time <= Date.parse(latest.today.end)) return clock(time);
    return new Intl.DateTimeFormat("en-GB", { timeZone: latest.today.zone, day: "numeric", month: "short",
        hour: "2-digit", minute: "2-digit" }).format(time);
}

const plural = (number, one, many) => number + " " + (number === 1 ? one : many);
const level = share => share >= 1 ? "bad" : share >= WARN ? "warn" : "";

// ---- the document

function text(node, value) {
    if (node.textContent !== value) node.textContent = value;
}

function make(name, className, content) {
    const node = document.createElement(name);
    if (className) node.className = className;
    if (content !== undefined) node.textContent = content;
    return node;
}

// Makes the children of `parent` be those of `items`, in their order, kept by key.
function keep(parent, items, keyOf, create, update) {
    const old = new Map([...parent.children].map(node => [node.dataset.key, node]));
    let place = parent.firstElementChild;
    for (const item of items) {
        const key = keyOf(item);
        let node = old.get(key);
        if (node === undefined) {
            node = create(item);
            node.dataset.key = key;
        }
        old.delete(key);
        if (node === place) place = place.nextElementSibling;
        else parent.insertBefore(node, place);
        update(node, item);
    }
    for (const node of old.values()) node.remove();
}

function bar() {
    const track = make("span", "track");
    track.setAttribute("aria-hidden", "true");
    track.append(make("span", "fill"), make("span", "fill held"));
    return track;
}

function setBar(track, share, held = 0) {
    const [fill, rest] = track.children, used = Math.min(share, 1);
    fill.style.width = 100 * used + "%";
    rest.style.width = 100 * Math.min(held, 1 - used) + "%";
}

// ---- today and ceilings

const ceilingOfToday = now => now.ceilings.find(each =>
    each.scope === "box" && each.period === "day" && each.kind === "cost");

function sayCurve() {
    const { today } = latest;
    text($("chart-says"), pointed !== null ? `${money(pointed.total)} by ${clock(pointed.time)}`
        : today.known_micro_usd > 0
            ? `Before ${clock(Date.parse(today.known_from))} only the sum is known. Times are ${today.zone}.`
            : `Times are ${today.zone}.`);
}

function showToday(now) {
    const { today } = now, ceiling = ceilingOfToday(now);
    text($("spent"), money(today.spent_usd));
    // A subscription is not billed by the token.
    const subscribed = now.credentials.some(each => each.type.startsWith("oauth"));
    text($("spent-of"), (ceiling ? `of ${limit(ceiling.limit)}` : "so far") + (subscribed ? ", API-equivalent" : ""));
    if (pointed === null) // else it stays as it is under the pointer
        drawCurve($("chart"), today, ceiling ? Number(ceiling.limit) : null, Date.parse(now.now), clock,
        at => { pointed = at; sayCurve(); });
    sayCurve();
    keep($("hours").tBodies[0], hoursOf(today), hour => String(hour.start), () => {
        const row = make("tr");
        row.append(make("td"), make("td", "number"), make("td", "number"));
        return row;
    }, (row, hour) => {
        text(row.cells[0], clock(hour.start));
        text(row.cells[1], money(hour.spent));
        text(row.cells[2], money(hour.total));
    });
}

const ceilingName = each => `${each.scope === "box" ? "The box" : each.scope.replace(/^job /, "")}, per ${each.period}`;
const shareOf = each => Number(each.settled) / Math.max(Number(each.limit), 1e-12);

function showCeilings(now) {
    $("no-ceilings").hidden = now.ceilings.length > 0;
    keep($("ceilings"), now.ceilings, each => `${each.scope}/${each.period}/${each.kind}`, () => {
        const item = make("li"), line = make("span", "of");
        line.append(make("span", "what"), make("span", "share"));
        item.append(line, bar(), make("small"));
        return item;
    }, (item, each) => {
        const [line, track, note] = item.children, amount = each.kind === "cost" ? money : value => count(Number(value));
        const held = Number(each.held) / Math.max(Number(each.limit), 1e-12);
        item.className = level(shareOf(each));
        text(line.children[0], ceilingName(each) + (each.kind === "cost" ? "" : ", tokens"));
        text(line.children[1], `${amount(each.settled)} of ${each.kind === "cost" ? limit(each.limit) : amount(each.limit)}`);
        setBar(track, shareOf(each), held);
        text(note, (held > 0 ? `${amount(each.held)} reserved; ` : "") + `resets ${moment(each.resets_at)}`);
    });
}

// ---- runs

const sortKeys = {
    job: run => run.job,
    age: run => -Date.parse(run.opened_at),
    cost: run => Number(run.cost_usd),
    tokens: run => run.counted_tokens,
    exchanges: run => run.exchanges,
};

const isAlone = run => run.state === "adrift" || run.state === "abandoned"; // from its supervisor

function sorted(runs) {
    if (sortBy === null) return runs;
    const key = sortKeys[sortBy], sign = sortDown ? -1 : 1;
    return [...runs].sort((a, b) => (key(a) < key(b) ? -sign : key(a) > key(b) ? sign : 0));
}

function makeRun(run) {
    const row = make("tr"), open = make("button", "open", run.job);
    open.type = "button";
    open.setAttribute("aria-expanded", "false");
    open.setAttribute("aria-controls", "more-" + run.run);
    open.addEventListener("click", () => {
        const shown = open.getAttribute("aria-expanded") !== "true";
        open.setAttribute("aria-expanded", String(shown));
        $("more-" + run.run).hidden = !shown;
        showRuns(latest); // fills it
    });
    for (const [name, className] of [["Run"], ["State"], ["Age", "number"], ["Cost"], ["Tokens"], ["Exchanges", "number"]]) {
        const cell = make("td", className);
        cell.dataset.name = name;
        // What a card on a phone takes from a table's parts.
        cell.setAttribute("role", "cell");
        row.append(cell);
    }
    row.setAttribute("role", "row");
    row.cells[0].append(open, make("span", "id quiet", run.run));
    for (const place of [3, 4]) {
        const box = make("div");
        box.append(make("span"), bar());
        row.cells[place].append(box);
    }
    return row;
}

function setSpend(cell, used, most, write, writeMost = write) {
    const box = cell.firstElementChild, [words, track] = box.children;
    const share = most === null ? 0 : Number(used) / Math.max(Number(most), 1e-12);
    text(words, most === null ? write(used) : `${write(used)} of ${writeMost(most)}`);
    box.className = level(share);
    track.hidden = most === null;
    setBar(track, share);
}

function updateRun(row, run) {
    const now = Date.parse(latest.now);
    text(row.cells[1], run.state);
    row.cells[1].className = isAlone(run) ? "warned" : "";
    text(row.cells[2], duration(now - Date.parse(run.opened_at)));
    setSpend(row.cells[3], run.cost_usd, run.cost_max_usd, money, limit);
    setSpend(row.cells[4], run.counted_tokens, run.tokens_max, count);
    text(row.cells[5], run.exchanges + (run.exchanges_in_flight > 0 ? ` + ${run.exchanges_in_flight}` : ""));
    row.cells[5].title = run.exchanges_in_flight > 0 ? `${run.exchanges_in_flight} in flight` : "";
}

function makeMore(run) {
    const row = make("tr", "more"), cell = make("td"), facts = make("div", "facts");
    row.id = "more-" + run.run;
    row.hidden = true;
    row.setAttribute("role", "row");
    cell.setAttribute("role", "cell");
    cell.colSpan = 6;
    cell.append(facts);
    row.append(cell);
    return row;
}

function updateMore(row, run) {
    if (row.hidden) return;
    const { tokens } = run;
    const facts = [["command", run.command || "–"], ["since", moment(run.opened_at)],
        ...(run.pid ? [["supervisor", "pid " + run.pid]] : []),
        ["input", count(tokens.input)], ["output", count(tokens.output)], ["cache read", count(tokens.cache_read)],
        ["cache written", count(tokens.cache_write_5m + tokens.cache_write_1h)]];
    keep(row.querySelector(".facts"), facts, fact => fact[0], fact => {
        const item = make("span", "", fact[0] + " ");
        item.append(make("b"));
        return item;
    }, (item, fact) => text(item.lastElementChild, fact[1]));
}

function showRuns(now) {
    const rows = sorted(now.runs).flatMap(run => [{ run, more: false }, { run, more: true }]);
    $("runs").hidden = now.runs.length === 0;
    $("no-runs").hidden = now.runs.length > 0;
    text($("run-count"), now.runs_total > 0 ? String(now.runs_total) : "");
    keep($("runs").tBodies[0], rows, row => row.run.run + (row.more ? "/more" : ""),
        row => (row.more ? makeMore : makeRun)(row.run),
        (node, row) => (row.more ? updateMore : updateRun)(node, row.run));
    $("more-runs").hidden = now.runs_total === now.runs.length;
    text($("more-runs"), `and ${now.runs_total - now.runs.length} older ones, which \`reeve status\` shows`);
}

// ---- slots, credentials, books

function rowItem() {
    const item = make("li"), what = make("span", "what");
    what.append(make("span"), make("small"));
    item.append(what, make("span", "says"), make("span", "full"));
    return item;
}

function setRow(item, className, what, small, says, full = "") {
    const [name, word, rest] = item.children;
    item.className = className;
    text(name.children[0], what);
    text(name.children[1], small);
    text(word, says);
    text(rest, full);
    rest.hidden = full === "";
}

const takenSlots = now => now.runs.filter(run => run.pid !== 0).length;

function showSlots(now) {
    const taken = takenSlots(now);
    text($("slots-taken"), String(taken));
    text($("slots-of"), `of ${now.slots} taken`);
    $("slot-marks").hidden = now.slots > 32;
    keep($("slot-marks"), [...Array(Math.min(now.slots, 32)).keys()], String, () => make("i"),
        (mark, index) => { mark.className = index < taken ? "taken" : ""; });
    $("no-queue").hidden = now.waiting.length > 0;
    keep($("queue"), now.waiting, each => `${each.pid}/${each.since}`, rowItem, (item, each) =>
        setRow(item, "", each.job, each.priority === 0 ? "" : `priority ${each.priority}`,
            `waits ${duration(Date.parse(now.now) - Date.parse(each.since))}`));
}

const canServe = each => each.state === "ready" || each.state === "refreshing";
const isMeant = each => each.state === "disabled";

function showCredentials(now) {
    $("no-credentials").hidden = now.credentials.length > 0;
    keep($("credentials"), now.credentials, each => each.name, rowItem, (item, each) => {
        setRow(item, canServe(each) ? "good" : isMeant(each) ? "" : "warn", each.name, each.type, each.state,
            each.text || (each.expires_at ? `expires ${moment(each.expires_at)}` : ""));
    });
}

function showBooks(now) {
    const behind = now.ledger.startsWith("behind");
    const facts = [
        ["Ledger", behind ? "bad" : "good", behind ? "behind" : now.ledger, behind ? now.ledger.replace(/^behind: /, "") : ""],
        ["Not in the ledger yet", "", bytes(now.ledger_lag_bytes), ""],
        ["Exchanges in flight", "", String(now.exchanges_in_flight), ""],
    ];
    keep($("books"), facts, fact => fact[0], rowItem,
        (item, fact) => setRow(item, fact[1], fact[0], "", fact[2], fact[3]));
}

// ---- is anything wrong?

function troubles(now) {
    const found = [];
    const meant = now.credentials.filter(each => !isMeant(each)), ready = meant.filter(canServe).length;
    if (now.ledger.startsWith("behind")) found.push(["bad", "The books do not reach the ledger"]);
    if (now.credentials.length === 0) found.push(["bad", "There is no credential"]);
    else if (ready === 0) found.push(["bad", "No credential can serve"]);
    else if (ready < meant.length)
        found.push(["warn", `${meant.length - ready} of ${plural(meant.length, "credential", "credentials")} cannot serve`]);
    for (const each of now.ceilings)
        if (shareOf(each) >= WARN)
            found.push([level(shareOf(each)), `${ceilingName(each)}: ${Math.floor(100 * shareOf(each))}% of its ceiling`]);
    const alone = now.runs.filter(isAlone).length;
    if (alone > 0) found.push(["warn", `${plural(alone, "run has", "runs have")} lost the supervisor`]);
    const near = now.runs.filter(run => run.cost_max_usd !== null && Number(run.cost_usd) >= WARN * Number(run.cost_max_usd) ||
        run.tokens_max !== null && run.counted_tokens >= WARN * run.tokens_max).length;
    if (near > 0) found.push(["warn", `${plural(near, "run is", "runs are")} near a ceiling`]);
    return found.sort((a, b) => (a[0] === b[0] ? 0 : a[0] === "bad" ? -1 : 1));
}

// Said aloud by screen readers, so it changes only when something does.
function setHealth(kind, words) {
    $("health").dataset.level = kind;
    text($("health"), words);
}

function showHealth(now) {
    const found = troubles(now);
    if (found.length > 0) {
        setHealth(found[0][0], found.slice(0, 3).map(each => each[1]).join("; ") +
            (found.length > 3 ? `; and ${found.length - 3} more` : ""));
    } else {
        const runs = now.runs_total === 0 ? "nothing is running" : plural(now.runs_total, "run", "runs");
        setHealth("good", `All is well: ${runs}` + (now.waiting_total > 0 ? `, ${now.waiting_total} waiting` : ""));
    }
    document.title = `${found.length > 0 && found[0][0] === "bad" ? "! " : ""}${money(now.today.spent_usd)} · reeve`;
}

function show(now) {
    latest = now;
    document.body.classList.remove("stale");
    for (const part of [showHealth, showToday, showCeilings, showRuns, showSlots, showCredentials, showBooks])
        part(now);
    text($("as-of"), clock(Date.parse(now.now), true));
    text($("about"), `reeve ${now.version}, up ${duration(Date.parse(now.now) - Date.parse(now.started_at))}: ` +
        `${now.listen} → ${now.upstream}`);
}

// ---- the stream

function disconnect() {
    clearTimeout(retryTimer);
    if (source !== null) source.close();
    source = null;
}

// The browser tries again by itself, unless it was refused: why, it does not say.
async function lost(refused) {
    document.body.classList.add("stale");
    setHealth("wait", "The connection is lost; trying again");
    if (!refused) return;
    disconnect();
    const answer = await fetch("./", { method: "HEAD" }).catch(() => null);
    if (answer !== null && answer.status === 401)
        setHealth("bad", "This session has ended: `reeve status --open` prints a new link");
    else
        retryTimer = setTimeout(connect, RETRY_MS);
    if (answer !== null && answer.ok)
        setHealth("wait", "Too many look at this page at once; trying again");
}

// Nothing is sent, and nothing made, for a page that nobody sees.
function connect() {
    if (source !== null || paused || document.hidden) return;
    source = new EventSource("events");
    source.onmessage = event => show(JSON.parse(event.data));
    source.onerror = () => lost(source.readyState === EventSource.CLOSED);
}

$("pause").addEventListener("click", () => {
    paused = !paused;
    $("pause").setAttribute("aria-pressed", String(paused));
    text($("pause"), paused ? "Resume" : "Pause");
    if (paused) disconnect();
    else connect();
});

document.addEventListener("visibilitychange", () => {
    if (document.hidden) disconnect();
    else connect();
});

for (const button of document.querySelectorAll("[data-sort]"))
    button.addEventListener("click", () => {
        sortDown = sortBy === button.dataset.sort ? !sortDown : button.dataset.sort !== "job";
        sortBy = button.dataset.sort;
        for (const each of document.querySelectorAll("[data-sort]"))
            each.closest("th").setAttribute("aria-sort",
                each === button ? (sortDown ? "descending" : "ascending") : "none");
        if (latest !== null) showRuns(latest);
    });

new ResizeObserver(() => { if (latest !== null) showToday(latest); }).observe($("chart"));
connect();
