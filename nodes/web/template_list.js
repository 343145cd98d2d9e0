// The list of this package's templates: in the order of templates.json, and in the language of the page.
//
// ComfyUI lists the files in the order of the disk, and translates no names of templates. Each template is there in
// English and in Chinese; without this file, the list shows all of them.
import { api } from "../../scripts/api.js";
import { isChinese } from "./locale.js";

// The folder's name is the user's choice.
const FOLDER = decodeURIComponent(new URL(".", import.meta.url).pathname.split("/").at(-2));

/** The names to show: each template in the language of the page, in order, then those that the list does not know. */
export function listed(names, templates, chinese) {
  const known = templates.flatMap(({ en, zh }) => [en, zh]);
  const named = templates.map(({ en, zh }) => (chinese && names.includes(zh) ? zh : en));
  const shown = named.filter((name) => names.includes(name));
  return [...shown, ...names.filter((name) => !known.includes(name)).sort()];
}

const getWorkflowTemplates = api.getWorkflowTemplates;
if (getWorkflowTemplates)
  api.getWorkflowTemplates = async function (...values) {
    const all = await getWorkflowTemplates.apply(this, values);
    if (!all?.[FOLDER]) return all;
    const answer = await fetch(new URL("templates.json", import.meta.url));
    return answer.ok ? { ...all, [FOLDER]: listed(all[FOLDER], await answer.json(), isChinese()) } : all;
  };
