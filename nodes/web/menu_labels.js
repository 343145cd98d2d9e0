// Values of menus in Chinese: the page translates names and tooltips of widgets, and not what stands in their menus.
//
// The value itself, which is saved and queued, stays, and stands behind its translation: help pages, presets and the
// command line know it by that. menus.zh.json has the translations by the name of the input, which means the same in
// every block.
import { app } from "../../scripts/app.js";
import { isChinese } from "./locale.js";

// Width of the arrows at both ends of a menu, in pixels of the workflow.
const ARROW = 40;

let menus = {};

function labeller(labels) {
  return (value) => (labels[value] ? `${labels[value]} · ${value}` : String(value ?? ""));
}

// The canvas of versions that know no labels asks the widget itself what to show, and draws its menu from bare values.
function labelInOlderCanvas(widget, label) {
  Object.defineProperty(widget, "_displayValue", {
    get: () => (widget.computedDisabled ? "" : label(widget.value)),
    configurable: true,
  });
  const onClick = widget.onClick;
  if (!onClick) return;
  widget.onClick = function (options) {
    const { e, node, canvas } = options;
    const x = e.canvasX - node.pos[0];
    const width = widget.width || node.size[0];
    if (x < ARROW || x > width - ARROW) return onClick.call(widget, options);
    const callback = (value) => widget.setValue(value, { e, node, canvas });
    const settings = { scale: Math.max(1, canvas.ds.scale), event: e, className: "dark", callback };
    const menu = new LiteGraph.ContextMenu([], settings);
    for (const value of widget.options.values) menu.addItem(label(value), value, settings);
  };
}

app.registerExtension({
  name: "gpen.menuLabels",

  async setup() {
    const answer = await fetch(new URL("menus.zh.json", import.meta.url));
    if (answer.ok) menus = await answer.json();
    for (const node of (app.rootGraph ?? app.graph)?._nodes ?? []) translate(node);
  },

  nodeCreated: (node) => translate(node),
});

function translate(node) {
  if (!node.comfyClass?.startsWith("GPEN") || !isChinese()) return;
  for (const widget of node.widgets ?? []) {
    if (widget.type !== "combo" || !menus[widget.name]) continue;
    const label = labeller(menus[widget.name]);
    widget.options.getOptionLabel = label;
    labelInOlderCanvas(widget, label);
  }
}
