// How numbers and names are written.

export const MINUS = "−";

// A number with three significant digits, thousands apart, a true minus sign.
export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (value === 0) return "0";
  const size = Math.abs(value);
  const text =
    size >= 1e5 || size < 1e-3
      ? value
          .toExponential(digits - 1)
          .replace(/\.?0*e/, "e")
          .replace(/e\+?(-?\d+)/, (_, p) => `·10${raised(p)}`)
      : size >= 1000
        ? Math.round(value).toLocaleString("en-GB").replaceAll(",", "\u202f")
        : trimmed(value.toPrecision(digits));
  return text.replace("-", MINUS);
}

const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0+$/, "") : text);
const raised = (text) => text.replace(/[-\d]/g, (c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"["0123456789".indexOf(c)] ?? "⁻");

// Ticks of an axis; a logarithmic one says itself which of them have room for a number.
export const ticks = (scale, made, count) =>
  scale.base ? made.ticks(count, (v) => number(v)) : made.ticks(count).tickFormat((v) => number(v));

export const signed = (value) =>
  Number.isNaN(value) ? "–" : `${value > 0 ? "+" : ""}${value.toFixed(2).replace("-", MINUS)}`;

export const percent = (share, digits = 1) =>
  Number.isNaN(share) ? "–" : `${(100 * share).toFixed(digits).replace("-", MINUS)}\u00a0%`;

export const withUnit = (column) => (column.unit ? `${column.label} (${column.unit})` : column.label);

// `12 Jan 2023 14:05` of milliseconds since 1970; a number as it is where the table holds no dates.
export function time(value, dated) {
  if (!dated) return number(value);
  const date = new Date(value);
  const month = date.toLocaleString("en-GB", { month: "short", timeZone: "UTC" });
  const two = (n) => String(n).padStart(2, "0");
  const clock = `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}`;
  return `${date.getUTCDate()} ${month} ${date.getUTCFullYear()} ${clock}`;
}

export const latentName = (k) => `f${k + 1}`;
export const unitName = (k) => `h${k + 1}`;

// A likeness of `T+ RH−`: the inputs that a unit is sensitive to.
export function sensitiveTo(r, inputs, threshold) {
  const found = r.flatMap((v, i) => (Math.abs(v) > threshold ? [`${inputs[i].label}${v > 0 ? "+" : MINUS}`] : []));
  return found.join(" ");
}
