#!/usr/bin/env python3
"""Finds solos in the pool's music: to train on them as background contradicts the
leads.

  solos.py WEIGHTS

The share, in dB, of each clip of music that the network of these weights takes for
foreground goes to pool/share-PART.npy; mix.py leaves out what has too much.  What
is there already stays."""

import glob
import math
import os
import sys

import numpy as np
import torch

import form
import mix
import model
import train


def share(net, mixer, clip):
    planes = [torch.empty(1, mixer.frames, 2, mix.BINS) for _ in range(3)]
    bands = mix.arrays(1, mixer.frames, model.FEATURES)
    flat = np.ones(mix.BINS, "f4")
    mixer.put([], [[np.ascontiguousarray(clip[0]), flat, 1, 0, 0, 0],
                   [np.ascontiguousarray(clip[1]), flat, 0, 1, 0, 0]],
              False, 0, planes, bands, 0)
    with torch.no_grad():
        _, sums = mix.judge(planes, net(bands), [], train.FLOOR, train.LOCAL)
    found = dict(zip(mix.SUMS, sums[0].tolist()))
    return 10 * math.log10(found["own"] / (found["all"] + 1e-30) + 1e-9)


def main():
    torch.set_num_threads(1)
    net = model.Net()
    form.read(net, sys.argv[1])
    for path in sorted(glob.glob(f"{mix.DATA}/pool/music-t*.npy")):
        to = path.replace("/music-", "/share-")
        if os.path.exists(to):
            continue
        clips = np.load(path, mmap_mode="r")
        mixer = mix.Mixer("", clips.shape[2], net.mean, net.scale)
        shares = np.array([share(net, mixer, clip) for clip in clips])
        np.save(to, shares)
        print(f"{path}: {np.mean(shares >= mix.SHARE):.0%} have a lead",
              flush=True)


if __name__ == "__main__":
    main()
