#!/usr/bin/env python3
"""Trains the network on the pool.

  train.py NAME STEPS [PROCESSES]

Goes on where checkpoints/NAME.pt has ended, if it is there; otherwise it begins
with the weights of the file that FROM names, if it names any, at a lower rate;
with DOUBT=1, only what closes masks without a lead is fit.
Touching checkpoints/NAME.stop ends it at the next checkpoint.  Each process takes
mixtures of its own; now and then they take the mean of their weights.  The same
seed, steps and processes give the same weights on the same machine.

What is maximised is what the stems gain over the mixture in dB, as a whole and
in each short stretch of each band, where a residue would be heard in pauses.
All of it follows from energies, so no sound is made.  What is kept is a moving
average of the weights."""

import copy
import math
import os
import random
import sys
import time

import torch
from torch import multiprocessing

import form
import mix
import model

SEED = 11
FROM, DOUBT = os.environ.get("FROM"), os.environ.get("DOUBT")
FRAMES, BATCH = 320 if DOUBT else 208, 8
RATE, WARM, FLAT = (4e-3, 40, .2) if DOUBT else (
    6e-4, 60, 0) if FROM else (1.6e-3, 100, .35)
MEETING = 8  # steps between two means
CHECK = 250  # steps between two checkpoints
FLOOR = 1e-3  # of the error beside the stem: 30 dB is enough
LOCAL = .15  # what stretches count beside the whole
DATA = mix.DATA
VALIDATION = ("sm", "sa", "si", "sm", "sa", "si", "le", "sm")


def decibel(x):
    return 10 * torch.log10(x)


class Loss(torch.autograd.Function):
    """What mix.c finds."""

    @staticmethod
    def forward(ctx, planes, *logits):
        ctx.slopes = [torch.empty_like(x) for x in logits]
        loss, _ = mix.judge(planes, logits, ctx.slopes, FLOOR, LOCAL)
        return torch.tensor(loss)

    @staticmethod
    def backward(ctx, g):
        return (None, *ctx.slopes)


def validation(net):
    """Batches of mixtures that are never trained on."""
    mixer, rng = mix.Mixer("v", 340, net.mean, net.scale), random.Random(99)
    return [mixer.batch(rng, 8, VALIDATION) for _ in range(8)]


def gains(net, sets):
    """What the foreground gains in SDR and SI-SDR, and the background in SDR,
    of each kind of mixture."""
    decibel, rows = lambda x: 10 * torch.log10(x), {}
    for planes, bands, names in sets:
        with torch.no_grad():
            _, sums = mix.judge(planes, net(bands), [], FLOOR, LOCAL)
        all_, both, lead, own, cross, error = sums.t()
        rest = all_ - 2 * both + lead
        before = decibel(lead / rest)
        si = decibel(cross ** 2 / (lead * own - cross ** 2))
        table = torch.stack([decibel(lead / error) - before, si - before,
                             decibel(rest / error) + before], 1)
        for name, row in zip(names, table):
            for key in ("all",) + name:
                rows.setdefault(key, []).append(row)
    return {k: torch.stack(v).mean(0).tolist() for k, v in sorted(rows.items())}


def rate_of(step, steps):
    """Rises, stays, and falls by a cosine."""
    u = max(0, step / steps - FLAT) / (1 - FLAT)
    return RATE * min(1, (step + 1) / WARM) * (
        .5 + .5 * math.cos(math.pi * min(1, u)) + .005)


def fit_features(net):
    """Mean and scale of the features as they come."""
    mixer, rng = mix.Mixer("t", FRAMES, net.mean, net.scale), random.Random(SEED)
    batches = [mixer.batch(rng, BATCH)[1] for _ in range(6)]
    mean, scale = [], []
    for (w, n), *x in zip(model.BANDS, *batches):
        x = torch.cat(x, 1).view(n, -1, model.FEATURES, w)
        flat = lambda y: y.permute(1, 0, 2).reshape(model.FEATURES, n * w)
        mean.append(flat(x.mean(1)))
        scale.append(flat(1 / (x.std(1) + .02)))
    net.mean.data, net.scale.data = torch.cat(mean, 1), torch.cat(scale, 1)


def fitted(net):
    """The parameters that are fit; the others need no slopes."""
    for name, p in net.named_parameters():
        p.requires_grad &= not DOUBT or name.startswith(("seen", "doubt"))
    return [p for p in net.parameters() if p.requires_grad]


class Group:
    """What the processes share."""

    def __init__(self, count, size):
        self.count = count
        self.rows = torch.zeros(count, size).share_memory_()
        self.barrier = multiprocessing.get_context("spawn").Barrier(count)

    def mean(self, rank, parameters):
        """Each parameter becomes the mean of all processes'."""
        if self.count == 1:
            return
        self.rows[rank] = torch.nn.utils.parameters_to_vector(
            parameters).detach()
        self.barrier.wait()
        torch.nn.utils.vector_to_parameters(self.rows.mean(0), parameters)
        self.barrier.wait()


def run(rank, name, steps, group):
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    base = f"{DATA}/checkpoints/{name}"
    net = model.Net()
    parameters = fitted(net)
    if DOUBT:
        mix.doubtful()
    optimizer = torch.optim.AdamW(parameters, RATE, betas=(.9, .98),
                                  weight_decay=1e-2)
    step = 0
    if os.path.exists(base + ".pt"):
        saved = torch.load(base + ".pt")
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        average = copy.deepcopy(net)
        average.load_state_dict(saved["average"])
        step = saved["step"]
    else:
        if FROM:
            form.read(net, FROM)
        else:
            fit_features(net)
        average = copy.deepcopy(net)
    mixer = mix.Mixer("t", FRAMES, net.mean, net.scale)
    if rank == 0:
        held = validation(net)
        with open(base + ".log", "a", encoding="utf-8") as log:
            print("#", model.macs(net), "macs", {k: mixer.pool.count(
                k) for k in mix.KINDS}, "processes", group.count, file=log)
    start, cpu, sums, count = time.time(), time.process_time(), 0.0, 0
    while step < steps:
        rng = random.Random(SEED + 1000003 * step + rank)
        for g in optimizer.param_groups:
            g["lr"] = rate_of(step, steps)
        planes, bands, _ = mixer.batch(rng, BATCH)
        loss = Loss.apply(planes, *net(bands))
        assert math.isfinite(loss), f"step {step}: the loss is no number"
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 5.0)
        optimizer.step()
        step += 1
        sums, count = sums + float(loss), count + 1
        if step % MEETING == 0:
            group.mean(rank, parameters)
            if rank == 0:
                keep = min(.96, step / (step + 80))
                with torch.no_grad():
                    for a, b in zip(average.parameters(), net.parameters()):
                        a.lerp_(b, 1 - keep)
        if step % CHECK == 0 or step == steps:
            if rank == 0:
                torch.save(dict(net=net.state_dict(), step=step,
                                average=average.state_dict(),
                                optimizer=optimizer.state_dict()), base + ".new")
                os.replace(base + ".new", base + ".pt")
                row = " ".join("%s %.2f/%.2f/%.2f" % (k, *v)
                               for k, v in gains(average, held).items())
                with open(base + ".log", "a", encoding="utf-8") as log:
                    print(f"{step} {time.strftime('%H:%M')} "
                          f"{(time.time() - start) / 60:.1f} min, "
                          f"{(time.process_time() - cpu) / 60:.1f} of it in one "
                          f"CPU; loss {sums / count:.2f}; {row}", file=log)
            sums, count = 0.0, 0
            mixer.pool = mix.Pool("t")  # it may have grown
            if group.count > 1:
                group.barrier.wait()
            if os.path.exists(base + ".stop"):
                break


def main():
    name, steps = sys.argv[1], int(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    os.makedirs(DATA + "/checkpoints", exist_ok=True)
    size = sum(p.numel() for p in fitted(model.Net()))
    multiprocessing.spawn(run, (name, steps, Group(count, size)), count)


if __name__ == "__main__":
    main()
