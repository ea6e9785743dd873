"""The artists' drawings: a concept in a style as a square RGBA picture, cropped to what is drawn."""

from functools import cache

from PIL import Image, ImageDraw, ImageFont

from emojinet.concepts import Concept, noto_font, openmoji_font, twemoji_dir

STYLES = ("twemoji", "openmoji", "noto")
SIDE = 72  # Twemoji's own size; fonts are drawn larger and shrunk to it
_FONT_SIZE = 144


def draw(concept: Concept, style: str) -> Image.Image:
    """Return the drawing as RGBA, SIDE x SIDE, touching the border on its longer side."""
    if style == "twemoji":
        picture = Image.open(twemoji_dir() / f"{ord(concept.character):x}.png").convert("RGBA")
    else:
        picture = _draw_glyph(concept.character, style)
    return _square(picture)


def _draw_glyph(character: str, style: str) -> Image.Image:
    canvas = Image.new("RGBA", (2 * _FONT_SIZE, 2 * _FONT_SIZE))
    centre = (_FONT_SIZE, _FONT_SIZE)
    ImageDraw.Draw(canvas).text(centre, character, font=_font(style), anchor="mm", fill="black", embedded_color=True)
    return canvas


@cache
def _font(style: str) -> ImageFont.FreeTypeFont:
    files = {"openmoji": openmoji_font, "noto": noto_font}
    return ImageFont.truetype(files[style](), _FONT_SIZE)


def _square(picture: Image.Image) -> Image.Image:
    """Crop to the drawn part, centre it in a square and resize that to SIDE."""
    picture = picture.crop(picture.getchannel("A").getbbox())
    side = max(picture.size)
    square = Image.new("RGBA", (side, side))
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
