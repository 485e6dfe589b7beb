"""placeholder"""
def python_layer(arch: str) -> bytes:
    """x"""
    raise NotImplementedError
