"""Generators and discriminators of pix2pix and CycleGAN, in both published flavours."""
