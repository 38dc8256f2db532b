"""OpenZL: a graph of stages that knows the type; here its float graphs, exponents apart from sign and fraction."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

import numpy as np

from elf.codecs.base import Values, bits_of
from elf.codecs.peers.base import Peer, damage, fill

NODES = {"f16": "Float16Deconstruct", "bf16": "BFloat16Deconstruct", "f32": "Float32Deconstruct"}

_local = threading.local()


@dataclass(frozen=True)
class Openzl(Peer):
    """One frame a block: exponents Huffman-coded; sign and fraction 0: as they are, 1: transposed and Huffman-coded."""

    name = "openzl"
    package = "openzl"
    settings = ({"fractions": 0}, {"fractions": 1})
    fractions: int = 1

    def applies(self, dtype: str) -> bool:
        return dtype in NODES

    def encode(self, values: Values, dtype: str) -> bytes:
        import openzl.ext as zl

        numbers = np.require(bits_of(values), requirements="A")
        return bytes(self._coder(dtype).compress([zl.Input(zl.Type.Numeric, numbers)]))

    def decode(self, data: memoryview, out: Values, dtype: str) -> None:
        import openzl.ext as zl

        with damage(RuntimeError, ValueError, IndexError, MemoryError):
            frame = zl.FrameInfo(bytes(data))
            if frame.num_outputs != 1 or frame.output_content_size(0) != out.nbytes:
                raise ValueError("a frame of another size")
            [found] = zl.DCtx().decompress(bytes(data))
            raw = found.content.as_bytes()
        fill(out, raw)

    def _coder(self, dtype: str) -> Any:
        """A compression context with this graph, one for each thread: building it takes longer than a small block."""
        import openzl.ext as zl

        made = _local.__dict__.setdefault("coders", {})
        if (self, dtype) not in made:
            graph, context = zl.Compressor(), zl.CCtx()
            rest = zl.nodes.TransposeSplit()(graph, zl.graphs.Huffman()) if self.fractions else zl.graphs.Store()
            node = getattr(zl.nodes, NODES[dtype])()
            graph.select_starting_graph(node(graph, rest, zl.graphs.Huffman()))
            graph.set_parameter(zl.CParam.FormatVersion, zl.MAX_FORMAT_VERSION)
            context.ref_compressor(graph)
            context.set_parameter(zl.CParam.StickyParameters, 1)
            made[self, dtype] = graph, context
        return made[self, dtype][1]
