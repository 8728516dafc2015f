// The curve of the day: what has been spent, over the hours, as SVG.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 176, TOP = 12, BOTTOM = 22, LEFT = 46, RIGHT = 10;

function element(name, attributes, text) {
    const made = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes))
        made.setAttribute(key, value);
    if (text !== undefined)
        made.textContent = text;
    return made;
}

// A round number at or above `value`: 1, 2, 2.5 or 5 times a power of ten.
function roundUp(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 2.5, 5, 10].map(step => step * power).find(step => step >= value * 0.999999);
}

// With as many decimals as the steps of the axis need.
function axisMoney(value, step) {
    const decimals = step >= 1 && Number.isInteger(step) ? 0 : Math.max(2, Math.ceil(-Math.log10(step) + 0.3));
    return "$" + (value === 0 ? "0" : value.toFixed(decimals));
}

// The ceiling is drawn where it does not press the curve flat.
function scaleOf(spent, ceiling) {
    const shown = ceiling !== null && spent > ceiling / 6;
    const step = roundUp(Math.max(shown ? ceiling : 0, spent, 0.001) / 4);
    return { max: step * Math.ceil(Math.max(shown ? ceiling : 0, spent * 1.04, step) / step), step, shown };
}

// Draws `today` of an event into `place`, as wide as that is. `clock` writes a moment as a time of the
// day; `say` is told what the pointer is at, and null when it has left.
export function drawCurve(place, today, ceiling, now, clock, say) {
    const width = Math.max(place.clientWidth, 240);
    const start = Date.parse(today.start), end = Date.parse(today.end), spent = Number(today.spent_usd);
    const totals = today.curve_micro_usd.map(micro => micro / 1e6);
    const { max, step, shown } = scaleOf(spent, ceiling);
    const x = time => LEFT + (width - LEFT - RIGHT) * Math.min(Math.max((time - start) / (end - start), 0), 1);
    const y = value => HEIGHT - BOTTOM - (HEIGHT - BOTTOM - TOP) * value / max;
    const timeOf = index => Math.min(start + (today.first_step + index + 1) * today.step_s * 1000, now);
    const svg = element("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, role: "img",
        "aria-label": `Spent today: $${spent.toFixed(2)} by ${clock(now)}` });

    for (let value = 0; value <= max * 1.0001; value += step) {
        svg.append(element("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }),
            element("text", { class: "axis", x: LEFT - 8, y: y(value) + 4, "text-anchor": "end" }, axisMoney(value, step)));
    }
    const hours = width < 420 ? 6 : 3;
    for (let hour = 0; hour <= 24; hour += hours) {
        const time = start + (end - start) * hour / 24;
        svg.append(element("text", { class: "axis", x: x(time), y: HEIGHT - 4,
            "text-anchor": hour === 0 ? "start" : hour === 24 ? "end" : "middle" },
            String(hour).padStart(2, "0")));
    }
    if (shown) {
        svg.append(element("line", { class: "ceiling", x1: LEFT, x2: width - RIGHT, y1: y(ceiling), y2: y(ceiling) }),
            element("text", { class: "ceiling-name", x: LEFT + 6, y: y(ceiling) - 5 }, "ceiling"));
    }
    if (totals.length > 0) {
        // Of the time before, only how much was spent is known, not when; unless it was nothing.
        const begin = Date.parse(today.known_from), from = today.known_micro_usd / 1e6;
        let path = from > 0 ? `M${x(begin)},${y(from)}` : `M${x(start)},${y(0)}L${x(begin)},${y(0)}`;
        totals.forEach((total, index) => { path += `L${x(timeOf(index))},${y(total)}`; });
        svg.append(element("path", { class: "area", d: `${path}L${x(now)},${y(0)}L${x(begin)},${y(0)}Z` }),
            element("path", { class: "curve", d: path }));
        if (from > 0)
            svg.append(element("path", { class: "before", d: `M${x(start)},${y(0)}L${x(begin)},${y(from)}` }));
        svg.append(element("circle", { class: "now", cx: x(now), cy: y(spent), r: 5 }));
    }

    const cursor = element("line", { class: "cursor", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    svg.append(cursor);
    svg.addEventListener("pointermove", event => {
        const bounds = svg.getBoundingClientRect();
        const at = (event.clientX - bounds.left) * width / bounds.width;
        const time = start + (end - start) * (at - LEFT) / (width - LEFT - RIGHT);
        const index = Math.floor((time - start) / (today.step_s * 1000)) - today.first_step;
        const known = index >= 0 && index < totals.length;
        cursor.setAttribute("visibility", known ? "visible" : "hidden");
        cursor.setAttribute("x1", at);
        cursor.setAttribute("x2", at);
        say(known ? { time: Math.min(time, now), total: totals[index] } : null);
    });
    svg.addEventListener("pointerleave", () => {
        cursor.setAttribute("visibility", "hidden");
        say(null);
    });
    place.replaceChildren(svg);
}

// [{start, spent, total}] of each hour that something is known of, the newest first.
export function hoursOf(today) {
    const steps = 3600 / today.step_s, start = Date.parse(today.start), hours = [];
    let before = today.known_micro_usd;
    for (let hour = Math.floor(today.first_step / steps); ; hour++) {
        const last = Math.min((hour + 1) * steps - 1 - today.first_step, today.curve_micro_usd.length - 1);
        if (last < 0 || hour * steps - today.first_step > today.curve_micro_usd.length - 1)
            break;
        const total = today.curve_micro_usd[last];
        hours.unshift({ start: start + hour * 3600000, spent: (total - before) / 1e6, total: total / 1e6 });
        before = total;
    }
    return hours;
}
