"""What mmengine's hub asks a package for before it builds one of its models."""


def register_all_modules(init_default_scope: bool = True) -> None:
    """Make this package the default scope; its registries import their modules when first asked.

    Args:
        init_default_scope: False to leave the default scope as it is.
    """
    if init_default_scope:
        from mmengine.registry import init_default_scope as set_default_scope
        set_default_scope('expalign')
