// The language of the page.
import { app } from "../../scripts/app.js";

/** Whether the page is in Chinese, be it simplified or traditional. */
export function isChinese() {
  return (app.extensionManager?.setting?.get("Comfy.Locale") ?? "en").startsWith("zh");
}
