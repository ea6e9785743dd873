"""Style transfer by adaptive instance normalisation: the shapes of one image in the textures of another.

The published networks (`dad.styles.vgg`) are files of 94 MB that no package carries; without them, what Q makes of an
image takes their place (`dad.styles.substitutes`), and is called a substitute wherever a run is described.
"""

from dad.styles.transfer import FeatureSpace, StyleTransfer, create_style_transfer

__all__ = ["FeatureSpace", "StyleTransfer", "create_style_transfer"]
