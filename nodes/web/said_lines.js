// What a block says after a run breaks between words. The classic canvas breaks it anywhere, as in "levels 0." and "6".
import { app } from "../../scripts/app.js";

const WIDGET = "$$node-text-preview";
const CLASS = "gpen-said";

app.registerExtension({
  name: "gpen.saidLines",

  setup() {
    const sheet = document.createElement("style");
    sheet.textContent = `.${CLASS} *{word-break:normal;overflow-wrap:anywhere}`;
    document.head.append(sheet);
  },

  nodeCreated(node) {
    if (!node.comfyClass?.startsWith("GPEN") || !node.addCustomWidget) return;
    const { addCustomWidget } = node;
    node.addCustomWidget = function (widget, ...rest) {
      // The page passes these to the element that it makes for the widget.
      if (widget.name === WIDGET) widget.props = { ...widget.props, class: CLASS };
      return addCustomWidget.call(this, widget, ...rest);
    };
  },
});
