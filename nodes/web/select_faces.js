// Choosing faces by clicking: GPEN Select Faces shows the picture with its faces numbered, and a click on one writes the
// text field `indices`. The field stays the truth: it is what is saved, queued and undone, and typing in it does the same.
//
// The block tells (nodes/detect.py, SelectFaces): `gpen_images`, files of the temporary folder; `gpen_sizes`, the
// [width, height] of the originals; `gpen_faces`, the faces {image, index, box, score, selected}, boxes in pixels of these.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";
import { formatIndices, parseIndices, toggleFace } from "./face_indices.js";
import { isChinese } from "./locale.js";

const NODE = "GPENSelectFaces";
// The colours of the block's own preview; gpen/sheets.py.
const COLOURS = { selected: "rgb(64,224,120)", rejected: "rgb(240,100,80)" };
const SMALLEST = 180;
const WORDS = {
  en: {
    empty: "Run once: the faces appear here, to be chosen by clicking.",
    none: "No face to choose from in this picture.",
    stale: "The way of counting has changed: run again before choosing.",
    linked: "The indices come from another block.",
    unreadable: "These indices cannot be read; write 0,2-4.",
    all: (total) => `all ${total} faces`,
    some: (count, total) => `${count} of ${total} faces`,
  },
  zh: {
    empty: "先运行一次：人脸会显示在这里，点击即可选择。",
    none: "这张图中没有可选的人脸。",
    stale: "计数方式已更改：请重新运行后再选择。",
    linked: "序号来自另一个节点。",
    unreadable: "无法识别这些序号；请按 0,2-4 的格式填写。",
    all: (total) => `全部 ${total} 张人脸`,
    some: (count, total) => `已选 ${count} / ${total} 张人脸`,
  },
};

function words() {
  return isChinese() ? WORDS.zh : WORDS.en;
}

class FacePicker {
  constructor(node) {
    this.node = node;
    this.images = [];
    this.sizes = [];
    this.faces = [];
    this.shown = 0;
    this.hovered = null;
    this.counting = "";
    this.build();
    for (const name of ["order", "indices", "min_face_size"]) this.follow(this.widget(name));
  }

  widget(name) {
    return this.node.widgets?.find((widget) => widget.name === name);
  }

  build() {
    this.root = document.createElement("div");
    this.root.style.cssText = `display:flex;flex-direction:column;width:100%;height:100%;min-height:${SMALLEST}px;overflow:hidden;background:#18181c;border-radius:4px`;
    this.canvas = document.createElement("canvas");
    this.canvas.style.cssText = "flex:1 1 0;min-height:0;width:100%;display:block";
    const bar = document.createElement("div");
    bar.style.cssText = "display:flex;align-items:center;gap:6px;padding:3px 6px;font:12px sans-serif;color:#ddd";
    this.status = document.createElement("span");
    this.status.style.cssText = "flex:1;overflow:hidden;text-overflow:ellipsis;white-space:nowrap";
    this.pager = document.createElement("span");
    this.pager.append(this.button("◀", -1), (this.page = document.createElement("span")), this.button("▶", 1));
    bar.append(this.status, this.pager);
    this.root.append(this.canvas, bar);
    // A press with the left button belongs to the picture; the canvas below would start to drag the node.
    this.root.addEventListener("pointerdown", (event) => event.button === 0 && event.stopPropagation());
    this.canvas.addEventListener("click", (event) => this.click(event));
    this.canvas.addEventListener("pointermove", (event) => this.hover(this.faceAt(event)));
    this.canvas.addEventListener("pointerleave", () => this.hover(null));
    new ResizeObserver(() => this.draw()).observe(this.root);
  }

  button(text, step) {
    const button = document.createElement("button");
    button.textContent = text;
    button.style.cssText = "background:none;border:none;color:inherit;cursor:pointer";
    button.addEventListener("click", () => {
      this.shown = (this.shown + step + this.images.length) % this.images.length;
      this.draw();
    });
    return button;
  }

  // Redraw when the widget's value changes, however it does.
  follow(widget) {
    if (!widget) return;
    const callback = widget.callback;
    widget.callback = (...values) => {
      const result = callback?.apply(widget, values);
      this.draw();
      return result;
    };
  }

  // What the numbers depend on beside the picture.
  wayOfCounting() {
    return JSON.stringify([this.widget("order")?.value, this.widget("min_face_size")?.value]);
  }

  show(output) {
    if (!output?.gpen_images) return;
    this.faces = output.gpen_faces ?? [];
    this.sizes = output.gpen_sizes ?? [];
    this.counting = this.wayOfCounting();
    this.images = output.gpen_images.map((file) => {
      const image = new Image();
      image.onload = () => this.draw();
      image.src = api.apiURL(`/view?${new URLSearchParams(file)}`);
      return image;
    });
    this.shown = Math.min(this.shown, this.images.length - 1);
    this.hovered = null;
    this.draw();
  }

  isLinked() {
    return this.node.inputs?.some((input) => input.widget?.name === "indices" && input.link != null) ?? false;
  }

  // The chosen indices; null for all. An unreadable text chooses none.
  chosen() {
    if (this.isLinked()) return new Set(this.faces.filter((face) => face.selected).map((face) => face.index));
    const indices = parseIndices(this.widget("indices")?.value);
    return indices && indices.size === 0 ? null : (indices ?? new Set());
  }

  problem() {
    const text = words();
    if (!this.images.length) return text.empty;
    if (this.isLinked()) return text.linked;
    if (this.counting !== this.wayOfCounting()) return text.stale;
    if (parseIndices(this.widget("indices")?.value) === null) return text.unreadable;
    return this.facesShown().length ? "" : text.none;
  }

  facesShown() {
    return this.faces.filter((face) => face.image === this.shown);
  }

  isClickable() {
    return this.images.length > 0 && !this.isLinked() && this.counting === this.wayOfCounting();
  }

  click(event) {
    const face = this.faceAt(event);
    const field = this.widget("indices");
    if (!face || !field || !this.isClickable()) return;
    const everyIndex = this.faces.map((each) => each.index);
    field.value = formatIndices(toggleFace(parseIndices(field.value), face.index, everyIndex, event.shiftKey));
    field.callback?.(field.value);
    this.node.setDirtyCanvas?.(true, true);
    // So that the workflow counts as changed and the click can be undone.
    app.extensionManager?.workflow?.activeWorkflow?.changeTracker?.checkState?.();
  }

  hover(face) {
    this.canvas.style.cursor = face && this.isClickable() ? "pointer" : "default";
    if (face === this.hovered) return;
    this.hovered = face;
    this.draw();
  }

  // How the picture lies on the canvas: scale, and the left top corner.
  fit() {
    const [width, height] = this.sizes[this.shown] ?? [1, 1];
    const { clientWidth, clientHeight } = this.canvas;
    const scale = Math.min(clientWidth / width, clientHeight / height);
    return { scale, left: (clientWidth - width * scale) / 2, top: (clientHeight - height * scale) / 2, width, height };
  }

  // The smallest face under the pointer: of two boxes that overlap, that is the one behind.
  faceAt(event) {
    // The rectangle holds the zoom of the workflow, which is a CSS transform; clientWidth does not.
    const rect = this.canvas.getBoundingClientRect();
    const { scale, left, top } = this.fit();
    const x = ((event.clientX - rect.left) * (this.canvas.clientWidth / rect.width) - left) / scale;
    const y = ((event.clientY - rect.top) * (this.canvas.clientHeight / rect.height) - top) / scale;
    const area = ({ box }) => (box[2] - box[0]) * (box[3] - box[1]);
    const hit = this.facesShown().filter(({ box }) => x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3]);
    return hit.sort((a, b) => area(a) - area(b))[0] ?? null;
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = this.canvas.clientWidth * ratio;
    this.canvas.height = this.canvas.clientHeight * ratio;
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const { scale, left, top, width, height } = this.fit();
    const image = this.images[this.shown];
    if (image?.complete && image.naturalWidth) context.drawImage(image, left, top, width * scale, height * scale);
    const chosen = this.chosen();
    for (const face of this.facesShown()) this.drawFace(context, face, !chosen || chosen.has(face.index));
    this.describe(chosen);
  }

  drawFace(context, face, selected) {
    const { scale, left, top } = this.fit();
    const [x, y, right, bottom] = face.box.map((value, index) => value * scale + (index % 2 ? top : left));
    context.strokeStyle = context.fillStyle = selected ? COLOURS.selected : COLOURS.rejected;
    context.lineWidth = face === this.hovered ? 4 : 2;
    context.strokeRect(x, y, right - x, bottom - y);
    const size = Math.max(11, Math.min(18, (right - x) / 4));
    context.font = `bold ${size}px sans-serif`;
    const text = String(face.index);
    const tag = { x, y: Math.max(0, y - size - 4), width: context.measureText(text).width + 6, height: size + 4 };
    context.fillRect(tag.x, tag.y, tag.width, tag.height);
    context.fillStyle = "#000";
    context.textBaseline = "middle";
    context.fillText(text, tag.x + 3, tag.y + tag.height / 2 + 1);
  }

  describe(chosen) {
    const shown = this.facesShown();
    const count = shown.filter((face) => chosen?.has(face.index)).length;
    const summary = chosen ? words().some(count, shown.length) : words().all(shown.length);
    this.status.textContent = this.status.title = this.problem() || summary;
    this.pager.style.display = this.images.length > 1 ? "" : "none";
    this.page.textContent = `${this.shown + 1} / ${this.images.length}`;
  }
}

const pickers = new WeakMap();

// "12" for a node of the workflow, "<id of the subgraph>:12" for one inside a subgraph.
function nodeAt(locator) {
  const [id, subgraph] = String(locator).split(":").reverse();
  const root = app.rootGraph ?? app.graph;
  const graph = subgraph ? root.subgraphs?.get(subgraph) : root;
  return graph?.getNodeById(id);
}

app.registerExtension({
  name: "gpen.selectFaces",

  nodeCreated(node) {
    if (node.comfyClass !== NODE) return;
    const picker = new FacePicker(node);
    pickers.set(node, picker);
    const widget = node.addDOMWidget("gpen_faces", "gpen_faces", picker.root, {
      serialize: false,
      hideOnZoom: false,
      getMinHeight: () => SMALLEST,
      getValue: () => "",
      setValue: () => {},
    });
    // The option keeps it out of the prompt, this out of the saved workflow.
    widget.serialize = false;
    // The node was sized before this widget came; a loaded workflow sets its own size afterwards.
    const [width, height] = node.computeSize();
    node.setSize([Math.max(node.size[0], width, 320), Math.max(node.size[1], height + SMALLEST)]);

    const onExecuted = node.onExecuted;
    node.onExecuted = function (output) {
      onExecuted?.call(this, output);
      picker.show(output);
    };
  },

  // Values of a saved workflow are set without calling back.
  loadedGraphNode(node) {
    pickers.get(node)?.draw();
  },

  // Results come this way when a tab or a finished job is opened again.
  onNodeOutputsUpdated(outputs) {
    for (const [locator, output] of Object.entries(outputs)) pickers.get(nodeAt(locator))?.show(output);
  },
});
