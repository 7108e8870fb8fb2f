// What the page shows, as Python packed it: names as JSON, numbers as one run of bytes in base64.

const KINDS = { f4: Float32Array, f8: Float64Array, i4: Int32Array };

// Bytes of a base64 text.
function bytes(text) {
  const decoded = atob(text);
  const found = new Uint8Array(decoded.length);
  for (let k = 0; k < decoded.length; k++) found[k] = decoded.charCodeAt(k);
  return found.buffer;
}

// A copy of `value` in which every reference {at, kind, shape} has become a typed array with its shape.
function resolved(value, buffer) {
  if (Array.isArray(value)) return value.map((item) => resolved(item, buffer));
  if (value === null || typeof value !== "object") return value;
  if ("at" in value && value.kind in KINDS) {
    const length = value.shape.reduce((a, b) => a * b, 1);
    const array = new KINDS[value.kind](buffer, value.at, length);
    array.shape = value.shape;
    return array;
  }
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolved(item, buffer)]));
}

// The content that stands in the page's own scripts.
export function readContent(document) {
  const names = JSON.parse(document.getElementById("content").textContent);
  return resolved(names, bytes(document.getElementById("numbers").textContent.trim()));
}
