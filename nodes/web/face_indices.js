// Lists of face indices such as "0,2-4": the same grammar as parse_indices in gpen/faces/select.py.

// What East Asian keyboards type for the characters of such a list.
const TYPED = Object.fromEntries(
  [..."０１２３４５６７８９，、﹐､－–—‐‑−ー~～〜"].map((typed, index) => [typed, "0123456789,,,,----------"[index]]),
);
const ENTRY = /^\s*(\d{1,4})\s*(?:-\s*(\d{1,4})\s*)?$/;

/** The indices as a Set, empty for an empty text; null where the text cannot be read. */
export function parseIndices(text) {
  const indices = new Set();
  if (!String(text ?? "").trim()) return indices;
  for (const entry of Array.from(String(text), (typed) => TYPED[typed] ?? typed).join("").split(",")) {
    const match = ENTRY.exec(entry);
    const [first, last] = match ? [Number(match[1]), Number(match[2] ?? match[1])] : [0, -1];
    if (last < first) return null;
    for (let index = first; index <= last; index++) indices.add(index);
  }
  return indices;
}

/** The text of a Set of indices: rising, runs of three or more as a range. */
export function formatIndices(indices) {
  const runs = [];
  for (const index of [...indices].sort((a, b) => a - b)) {
    const run = runs.at(-1);
    if (run && index === run.at(-1) + 1) run.push(index);
    else runs.push([index]);
  }
  return runs.map((run) => (run.length > 2 ? `${run[0]}-${run.at(-1)}` : run.join(","))).join(",");
}

/**
 * What a click on a face makes of the chosen indices. While all are chosen (empty) or the text is unreadable (null), it
 * chooses this face alone, or with `except` all faces but this one. Otherwise it adds or removes the face; when the last
 * one goes, the text is empty, and all are chosen again.
 */
export function toggleFace(indices, face, everyIndex, except = false) {
  if (!indices?.size) return new Set(except ? everyIndex.filter((index) => index !== face) : [face]);
  const next = new Set(indices);
  if (!next.delete(face)) next.add(face);
  return next;
}
