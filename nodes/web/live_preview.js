// The picture of a running block goes when the block is done. The page keeps it until the block starts again, where it
// looks like a result.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

const WIDGET = "$$canvas-image-preview";
const ENDS = ["finished", "error"];
// Milliseconds.
const LATE = 700;

// What the page keeps of outputs and previews; an internal store, so it may be gone one day, and then the picture stays.
function store() {
  const root = document.getElementById("vue-app");
  return root?.__vue_app__?.config?.globalProperties?.$pinia?._s?.get("nodeOutput");
}

// The nodes on the way to one: "5:12" is node 12 in the subgraph of node 5.
function nodesOnTheWay(id) {
  let graph = app.rootGraph ?? app.graph;
  return String(id)
    .split(":")
    .map((part) => {
      const node = graph?.getNodeById?.(part) ?? graph?.getNodeById?.(Number(part));
      graph = node?.subgraph;
      return node;
    });
}

// The sizes of running nodes: the canvas makes room for a preview, and keeps it.
const sizes = new WeakMap();

function remember(id) {
  for (const node of nodesOnTheWay(id)) if (node) sizes.set(node, [...node.size]);
}

function clear(id) {
  const parts = String(id).split(":");
  nodesOnTheWay(id).forEach((node, index) => {
    store()?.revokePreviewsByExecutionId?.(parts.slice(0, index + 1).join(":"));
    if (node?.preview || node?.imgs) clearCanvas(node);
  });
}

function clearCanvas(node) {
  node.preview = node.imgs = undefined;
  const widget = node.widgets?.find(({ name }) => name === WIDGET);
  if (widget) {
    widget.onRemove?.();
    node.widgets.splice(node.widgets.indexOf(widget), 1);
    if (sizes.has(node)) node.setSize(sizes.get(node));
  }
  node.setDirtyCanvas?.(true, true);
}

app.registerExtension({
  name: "gpen.livePreview",

  setup() {
    const running = new Set();
    const clearNowAndLate = (node) => {
      clear(node);
      // The last picture may still be on its way into the page.
      setTimeout(() => running.has(node) || clear(node), LATE);
    };
    api.addEventListener("progress_state", ({ detail }) => {
      for (const [id, { state, display_node_id: shown }] of Object.entries(detail.nodes ?? {})) {
        const node = shown ?? id;
        if (!nodesOnTheWay(node).at(-1)?.comfyClass?.startsWith("GPEN")) continue;
        if (state === "running" && !running.has(node)) {
          running.add(node);
          remember(node);
        }
        if (ENDS.includes(state) && running.delete(node)) clearNowAndLate(node);
      }
    });
    for (const end of ["execution_error", "execution_interrupted"])
      api.addEventListener(end, () => {
        for (const node of running) clearNowAndLate(node);
        running.clear();
      });
  },
});
