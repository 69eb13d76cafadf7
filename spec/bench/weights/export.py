#!/usr/bin/env python3
"""export.py NAME[,NAME...] OUT: the weights of checkpoints/NAME.pt, or the mean
of several (one that is named twice counts twice), in the form that
csrc/engine/net.c reads, each a signed byte.  Prints what such weights are worth
on the part of the pool that validates: dB that the foreground gains in SDR and
in SI-SDR, and the background in SDR."""

import struct
import sys
import zlib

import numpy as np
import torch

import mix
import model
import train


class File:
    def __init__(self):
        self.parts = []

    def floats(self, *tensors):
        for t in tensors:
            self.parts.append(t.detach().numpy().astype("<f4").tobytes())

    def linear(self, weight, bias):
        """weight: a view of (taps, inputs, outputs); gets what is written."""
        w = weight.detach().numpy()
        scale = np.maximum(np.abs(w).max((0, 1)), 1e-9) / 127
        w[:] = np.rint(w / scale)
        self.parts.append(w.astype("i1").tobytes())
        self.parts.append(scale.astype("<f4").tobytes())
        self.floats(bias)
        w *= scale

    def dense(self, layer, taps=1):
        o, i = layer.weight.shape
        self.linear(layer.weight.view(o, taps, i // taps).permute(1, 2, 0),
                    layer.bias)

    def banded(self, layers, taps=1):
        for layer in layers:
            for w, b in zip(layer.weight, layer.bias):
                i, o = w.shape
                self.linear(w.view(i, taps, o // taps).permute(1, 0, 2),
                            b.reshape(-1))

    def net(self, net):
        self.floats(net.mean, net.scale)
        self.banded(net.encode, model.TAPS)
        self.dense(net.inner)
        for block in net.blocks:
            self.floats(block.norm.weight, block.norm.bias)
            self.dense(block.conv, model.TAPS)
            self.dense(block.out)
        self.dense(net.pool)
        self.floats(net.norm.weight, net.norm.bias)
        self.dense(net.context)
        self.banded(net.decode, model.TAPS)
        self.banded(net.mask)

    def write(self, path):
        body = b"".join(self.parts)
        with open(path, "wb") as file:
            file.write(b"cambnet1" + struct.pack("<I", zlib.crc32(body)) + body)


def main():
    names, path = sys.argv[1:]
    net = model.Net()
    saved = [torch.load(f"{mix.DATA}/checkpoints/{name}.pt")
             for name in names.split(",")]
    net.load_state_dict({key: sum(s["net"][key] for s in saved) / len(saved)
                         for key in net.state_dict()})
    file = File()
    file.net(net)
    file.write(path)
    print(f"{path}: step", ", ".join(str(s["step"]) for s in saved))
    for kind, row in train.gains(net, train.validation(net)).items():
        print("%-7s %5.2f %5.2f %5.2f" % (kind, *row))


if __name__ == "__main__":
    main()
