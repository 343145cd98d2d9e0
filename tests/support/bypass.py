"""What ComfyUI's page passes on for a node that is bypassed or muted."""

from __future__ import annotations

from typing import Any

BYPASSED, MUTED = 4, 2

# Wires every input socket of a node to a source and every output to a node that takes its type, as a user would, and
# reads from the queue what arrives. A source or taker with a type of its own is found among the registered nodes.
_PASSED = """
    const types = Object.values(LiteGraph.registered_node_types)
        .filter((type) => type.nodeData && /^GPEN|^(LoadImage|PreviewImage|MaskToImage)$/.test(type.comfyClass));
    const make = (type) => { const node = LiteGraph.createNode(type); app.graph.add(node); return node; };
    const models = new Map(types.map((type) => [type.comfyClass, LiteGraph.createNode(type.comfyClass)]));
    const kinds = (slot) => String(slot.type).split(",");
    const find = (side, kind, fits) => {
        for (const exact of [true, false])
            for (const [type, model] of models) {
                const index = (model[side] ?? []).findIndex((slot) => fits(slot) && (exact ? slot.type === kind
                    : kinds(slot).includes(kind)));
                if (index >= 0) return [type, index];
            }
        return null;
    };
    app.graph.clear();
    const subject = make(given.node), wired = new Map(), takers = [];
    subject.inputs.forEach((input, index) => {
        if (input.widget) return;
        for (const kind of kinds(input)) {
            const source = find("outputs", kind, () => true);
            if (!source) continue;
            const node = make(source[0]);
            node.connect(source[1], subject, index);
            wired.set(String(node.id), input.name);
            break;
        }
    });
    subject.outputs.forEach((output, index) => {
        const taker = find("inputs", String(output.type), () => true);
        if (!taker) { takers.push([output.name, null]); return; }
        const node = make(taker[0]);
        subject.connect(index, node, taker[1]);
        takers.push([output.name, node, node.inputs[taker[1]].name]);
    });
    subject.mode = given.mode;
    const queued = (await app.graphToPrompt()).output;
    return takers.map(([name, node, input]) => {
        if (!node) return [name, "no node takes it"];
        const value = queued[String(node.id)]?.inputs[input];
        return [name, Array.isArray(value) ? wired.get(String(value[0])) ?? `node ${value[0]}` : null];
    });
"""


def passed_on(comfy: Any, node: str, mode: int) -> dict[str, str | None]:
    """For each output of a node in this mode the input that arrives there, or None.

    Args:
        comfy: the page.
        node: id of the node type.
        mode: `BYPASSED` or `MUTED`.
    """
    return dict(comfy.js(_PASSED, {"node": node, "mode": mode}))
