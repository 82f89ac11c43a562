// Package picture decides whether bytes that came from outside are an image, and makes what is
// stored of it.
//
// Nothing but the bytes is believed: not the sender's content type, not its width and height.
// An image is a PNG, a JPEG or a WebP by its first bytes, small enough by its header (looked at
// before any pixel is decoded, because a few kilobytes can claim gigabytes), and decodable to
// its end.
//
// There are two ways in. [Opener.Open] is for what a provider made: what is stored is exactly
// what came, metadata included, since fal's outputs carry no personal metadata and some carry
// marks of their origin that must stay; the opener adds a thumbnail. [Opener.Sanitize] is for what a
// person brings: what is stored has the pixels, upright and in sRGB, and nothing else of the file,
// neither where it was taken nor what is hidden behind its end.
//
// # Colours
//
// What a person sees in a viewer is right, for references and thumbnails alike. A file says by a
// profile, by code points or by its gamma what its samples mean ([Opener.Sanitize] has the details);
// one that says nothing means sRGB. The conversion is asked beforehand at the points of a lattice,
// so that a profile from outside decides what a pixel becomes, and not how long it takes.
//
// # Marks
//
// A picture that a model had a part in says so to machines (Regulation (EU) 2024/1689, Art. 50(2)): [MarkOf] reads that, and
// [Mark] adds it where it is missing, without decoding a pixel or removing a byte. Not all that a reader could understand
// is read: of XMP the packet itself and not its extension, of C2PA the terms and not the signature.
//
// # Memory
//
// A picture's memory is not its number of pixels: a progressive JPEG takes up to sixteen bytes
// for each before one is shown, an interlaced PNG of 16 bits the same. So what decoding will take
// is computed from the header, a picture that takes more than all may is refused, and an opener
// lets pictures in as their sum allows.
package picture
