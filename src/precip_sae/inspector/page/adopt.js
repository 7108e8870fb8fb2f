// Makes a set of what a file held: finds records that have its inputs, and gives it a place among the others.

let adopted = 0;

// The set, added to the content. read: what `files.js` gives.
export function adopt(content, read) {
  const known = knownInputs(content);
  const inputs = read.inputs.map((input) => {
    const like = known.get(input.name);
    return {
      ...input,
      label: like?.label ?? input.name,
      meaning: like?.meaning ?? "",
      unit: input.unit || like?.unit || "",
      low: like?.low ?? null,
      high: like?.high ?? null,
    };
  });
  adopted += 1;
  const [mean, scale] = read.scaled;
  const set = {
    id: `own${adopted}`,
    title: read.title,
    own: read.models[0].hidden,
    published: false,
    opened: true,
    kind: read.kind,
    inputs,
    classes: read.classes,
    models: read.models,
    response: { name: read.response[0], label: read.response[0], unit: "", meaning: "", mean, scale },
    ...recordsFor(content, read),
  };
  const like = content.sets.find((s) => s.response.name === set.response.name && s.kind === "regression");
  if (read.kind === "regression" && like) set.response = { ...like.response, mean, scale };
  content.sets.push(set);
  return set;
}

function knownInputs(content) {
  const known = new Map();
  for (const set of content.sets)
    for (const input of set.inputs) if (!known.has(input.name)) known.set(input.name, input);
  return known;
}

// Records of a table that has all inputs; observed responses of a set that predicts the same.
function recordsFor(content, read) {
  const fits = (set) => set.table !== null && read.inputs.every((i) => content.tables[set.table].columns[i.name]);
  const same = (set) =>
    set.kind === read.kind &&
    (read.kind === "classification"
      ? set.classes.join("\n") === read.classes.join("\n")
      : set.response.name === read.response[0]);
  const complete = (set, keep) => {
    const columns = read.inputs.map((i) => content.tables[set.table].columns[i.name]);
    const usable = (row) =>
      columns.every((c, k) => Number.isFinite(c[row]) && (read.inputs[k].transform !== "log10" || c[row] > 0));
    const kept = Array.from(set.rows.keys()).filter((k) => usable(set.rows[k]));
    return {
      table: set.table,
      rows: Int32Array.from(kept, (k) => set.rows[k]),
      y: Float32Array.from(kept, (k) => (keep ? set.y[k] : NaN)),
      blind: !keep,
    };
  };
  const like = content.sets.find((set) => !set.blind && fits(set) && same(set));
  if (like) return complete(like, true);
  const any = content.sets.find(fits);
  return any ? complete(any, false) : { table: null, rows: new Int32Array(0), y: new Float32Array(0), blind: true };
}
