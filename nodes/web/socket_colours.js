// Colours of this package's sockets and their wires, in the classic canvas and in Nodes 2.0.
//
// A colour palette that names one of the types wins. Palettes reset what they do not name, whenever one is chosen: the
// canvas's tables fall back to ours by accessors, and Nodes 2.0 to a style sheet, below the palette's inline variables.
import { app } from "../../scripts/app.js";

export const COLOURS = {
  GPEN_MODEL: "#c9a35b",
  GPEN_FACE_DETECTOR: "#4db6ac",
  GPEN_FACE_PARSER: "#80deea",
  GPEN_FACES: "#f4a2c0",
  GPEN_ALIGNMENT: "#bcaaa4",
  GPEN_PRESET: "#dce775",
};

function fallBack(table, type, colour) {
  let chosen = table[type];
  Object.defineProperty(table, type, {
    get: () => chosen || colour,
    set: (value) => (chosen = value),
    enumerable: true,
    configurable: true,
  });
}

app.registerExtension({
  name: "gpen.socketColours",

  setup() {
    const { canvas } = app;
    for (const table of [canvas?.default_connection_color_byType, canvas?.constructor?.link_type_colors])
      if (table) for (const [type, colour] of Object.entries(COLOURS)) fallBack(table, type, colour);
    const sheet = document.createElement("style");
    const variables = Object.entries(COLOURS).map(([type, colour]) => `--color-datatype-${type}:${colour}`);
    sheet.textContent = `:root{${variables.join(";")}}`;
    document.head.append(sheet);
  },
});
