"""Sorts sample files into kinds and writes what should be seen of each, in sRGB, by Pillow.

    python3 references.py SAMPLES... FOLDER

FOLDER is what IMAGERUN_PICTURES names. What Pillow does not do is done here: gAMA without a profile.
It turns only by EXIF, as browsers do. Left out are files that Pillow cannot open, that move, that are larger
than we take, and grey PNGs of other than 8 bits with a transparent colour, which Pillow does not find.
"""
import io, os, shutil, sys, warnings
from PIL import Image, ImageCms, ImageOps

warnings.simplefilter("ignore")
SRGB = ImageCms.createProfile("sRGB")
ENDINGS = (".png", ".jpg", ".jpeg", ".jpe", ".webp", ".avif", ".heic", ".heif", ".hif")


def gamma_of(path):
    """gAMA of a PNG that has nothing better."""
    with open(path, "rb") as f:
        b = f.read()
    at, found = 8, {}
    while at + 12 <= len(b):
        n, name = int.from_bytes(b[at:at + 4], "big"), b[at + 4:at + 8]
        if name == b"IDAT":
            break
        found[name] = b[at + 8:at + 8 + n]
        at += 12 + n
    if b"gAMA" not in found or b"iCCP" in found or b"sRGB" in found or b"cICP" in found:
        return None
    gamma = int.from_bytes(found[b"gAMA"], "big") / 100000
    return gamma if gamma > 0 and abs(gamma - 0.45455) > 0.005 else None


def srgb(light):
    return 12.92 * light if light <= 0.0031308 else 1.055 * min(light, 1) ** (1 / 2.4) - 0.055


def eight_bits(im):
    if im.mode.startswith("I") or im.mode == "F":
        return im.point(lambda v: v * (1 / 256)).convert("L")
    return im


def kind_of(im, gamma):
    form = {"MPO": "jpeg"}.get(im.format, im.format.lower())
    if im.info.get("icc_profile"):
        try:
            name = ImageCms.getProfileDescription(io.BytesIO(im.info["icc_profile"])).lower()
        except Exception:
            name = "srgb"
        if "srgb" not in name or im.mode == "CMYK":
            return form + "-profile-" + {"CMYK": "cmyk", "L": "grey", "LA": "grey"}.get(im.mode, "rgb")
    if form == "jpeg":
        if im.mode != "RGB":
            return "jpeg-" + {"L": "grey", "CMYK": "cmyk"}[im.mode]
        sampling = {(h, v) for _, h, v, _ in im.layer}
        return "jpeg-colours-" + ("full" if len(sampling) == 1 else "halved")
    if form == "png":
        if gamma:
            return "png-gamma"
        if im.mode.startswith("I"):
            return "png-16-bit"
        return "png-" + {"P": "palette", "1": "grey", "L": "grey", "LA": "grey"}.get(im.mode, "rgb")
    if form == "webp":
        with open(im.filename, "rb") as f:
            lossless = b"VP8L" in f.read(200)
        return "webp-" + ("lossless" if lossless else "lossy") + ("-alpha" if im.mode == "RGBA" and not lossless else "")
    return form


def has_exif(path):
    with open(path, "rb") as f:
        b = f.read()
    return b"eXIf" in b or b"Exif\0\0" in b or b[:4] == b"RIFF" and b"EXIF" in b or b[4:8] == b"ftyp"


def seen(im, gamma):
    profile = im.info.get("icc_profile")
    out = ImageOps.exif_transpose(im) if has_exif(im.filename) else im
    if gamma:
        out = out.convert("RGBA") if "A" in out.getbands() or "transparency" in im.info else eight_bits(out).convert("RGB")
        table = [round(255 * srgb((v / 255) ** (1 / gamma))) for v in range(256)]
        return out.point(table * 3 + (list(range(256)) if out.mode == "RGBA" else []))
    if profile and out.mode in ("RGB", "RGBA", "L", "CMYK"):
        try:
            p = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = p.profile.xcolor_space.strip()
            if {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space) == out.mode.replace("RGBA", "RGB"):
                alpha = out.getchannel("A") if out.mode == "RGBA" else None
                out = ImageCms.profileToProfile(
                    out.convert("RGB") if alpha else out, p, SRGB, p.profile.rendering_intent, "RGB")
                if alpha:
                    out.putalpha(alpha)
        except ImageCms.PyCMSError:
            pass
    if out.mode == "P" or "transparency" in im.info:
        return out.convert("RGBA")
    return eight_bits(out).convert("RGBA" if out.mode in ("LA", "RGBA", "PA") else "RGB")


def main(samples, folder):
    for path in samples:
        if not path.lower().endswith(ENDINGS):
            continue
        try:
            im = Image.open(path)
            if getattr(im, "n_frames", 1) > 1 and im.format != "MPO" or im.width * im.height > 25_000_000 or max(im.size) > 8192:
                continue
            if im.format == "PNG" and "transparency" in im.info and (im.mode[0] in "1I" or im.mode == "L" and im.tile[0][3] != "L"):
                continue
            gamma = gamma_of(path) if im.format == "PNG" else None
            kind = kind_of(im, gamma)
            out = seen(im, gamma)
        except Exception as e:
            print("left out", path, type(e).__name__, e, file=sys.stderr)
            continue
        name = "-".join(path.strip("/").split("/")[-3:])
        os.makedirs(os.path.join(folder, kind), exist_ok=True)
        target = os.path.join(folder, kind, name)
        shutil.copyfile(path, target)
        out.save(target + ".png")


main(sys.argv[1:-1], sys.argv[-1])
