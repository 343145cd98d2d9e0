// GPEN Settings hides its rarely used widgets on the canvas, too, as Nodes 2.0 do; "Show Advanced" in the node's menu
// shows them. Older versions show all. GPEN Save Preset shows where its file lies also if its result comes from the cache.
import { app } from "../../scripts/app.js";
import { api } from "../../scripts/api.js";

// Pixels of the workflow: room for a line about settings, or for the path of a file.
const WIDTH = 340;

function hideAdvanced(node) {
  // A canvas keeps the room of widgets that it does not draw; in older versions nothing can be done about it.
  if (!node.getLayoutWidgets) return;
  node.getLayoutWidgets = function () {
    return this.widgets?.filter((widget) => this.isWidgetVisible(widget)) ?? [];
  };
  for (const widget of node.widgets ?? []) if (widget.options?.advanced) widget.advanced = true;
}

// The way on which the server's lines reach a node; a run from the cache sends outputs only.
function sayWhere(node) {
  const onExecuted = node.onExecuted;
  node.onExecuted = function (output) {
    onExecuted?.call(this, output);
    const [, text] = output?.text ?? [];
    if (text) api.dispatchEvent(new CustomEvent("progress_text", { detail: { nodeId: this.id, text } }));
  };
}

app.registerExtension({
  name: "gpen.settingsBlocks",
  nodeCreated(node) {
    const prepare = { GPENSettings: hideAdvanced, GPENSavePreset: sayWhere }[node.comfyClass];
    if (!prepare) return;
    prepare(node);
    node.setSize?.([Math.max(node.size[0], WIDTH), node.computeSize()[1]]);
  },
});
