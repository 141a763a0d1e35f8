"""Reproduces the ablation tables of pix2pix and CycleGAN: data, training, scores, report."""

__version__ = "0.1.0"
