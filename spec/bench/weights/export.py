#!/usr/bin/env python3
"""export.py NAME[,NAME...] OUT: the weights of checkpoints/NAME.pt, or the mean
of several (one that is named twice counts twice), in the form that
csrc/engine/net.c reads, each a signed byte.  Prints what such weights are worth
on the part of the pool that validates: dB that the foreground gains in SDR and
in SI-SDR, and the background in SDR."""

import sys

import torch

import form
import mix
import model
import train


def main():
    names, path = sys.argv[1:]
    net = model.Net()
    saved = [torch.load(f"{mix.DATA}/checkpoints/{name}.pt")
             for name in names.split(",")]
    net.load_state_dict({key: sum(s["average"][key] for s in saved) / len(saved)
                         for key in net.state_dict()})
    form.write(net, path)
    print(f"{path}: step", ", ".join(str(s["step"]) for s in saved))
    for kind, row in train.gains(net, train.validation(net)).items():
        print("%-7s %5.2f %5.2f %5.2f" % (kind, *row))


if __name__ == "__main__":
    main()
