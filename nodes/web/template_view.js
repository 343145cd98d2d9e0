// Templates open with their texts in sight. Newer pages zoom out until the whole of a template fits, and the classic
// canvas draws no text at that scale; then the view that the template's file asks for is the better one.
import { app } from "../../scripts/app.js";

const TYPE = "GPEN";

const nextFrame = () => new Promise((done) => requestAnimationFrame(done));

const { loadGraphData } = app;
app.loadGraphData = async function (workflow, clean, restoreView, name, options, ...rest) {
  const view = workflow?.extra?.ds;
  const ours = workflow?.nodes?.some(({ type }) => type?.startsWith(TYPE));
  const loaded = await loadGraphData.call(this, workflow, clean, restoreView, name, options, ...rest);
  if (options?.openSource !== "template" || !ours || !view || globalThis.LiteGraph?.vueNodesMode) return loaded;
  // A page that has just come up zooms in the next frame.
  await nextFrame();
  const { ds, low_quality: hidesTexts } = app.canvas;
  if (hidesTexts) {
    ds.scale = view.scale;
    ds.offset = [...view.offset];
    app.canvas.setDirty(true, true);
  }
  return loaded;
};
