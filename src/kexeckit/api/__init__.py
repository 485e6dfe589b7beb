"""The library for scripts: what `import kexeckit` offers, over the layers that the commands use."""
