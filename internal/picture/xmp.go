package picture

import (
	"bytes"
	"encoding/xml"
	"path"
	"strings"
)

// The names of XMP's parts (ISO 16684-1, §7; IPTC Photo Metadata, "XMP Property").
const (
	nsRDF  = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	nsIPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"

	// maxXMP bounds the packets that are read: more than 64 KiB is rare, and another program wrote it.
	maxXMP = 1 << 20
)

// xmpFacts are what a packet says of the source, and where that is in it.
type xmpFacts struct {
	source   SourceType
	from, to int // of the value as it is written; both zero: it is not there, or not to be found
	end      int // where the descriptions end; zero: nowhere
}

// describeSource returns a description that can stand in any packet.
func describeSource(t SourceType) string {
	return `<rdf:Description xmlns:rdf="` + nsRDF + `" rdf:about="" xmlns:Iptc4xmpExt="` + nsIPTC +
		`" Iptc4xmpExt:DigitalSourceType="` + sourceVocabulary + string(t) + `"/>`
}

// newXMP returns a packet that says the source and nothing else.
func newXMP(t SourceType) []byte {
	return []byte(`<?xpacket begin="` + "\ufeff" + `" id="W5M0MpCehiHzreSzNTczkc9d"?>` +
		`<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="` + nsRDF + `">` + describeSource(t) + `</rdf:RDF></x:xmpmeta>` +
		`<?xpacket end="r"?>`)
}

// extendXMP returns a packet that says the source and all that it said before, but for another source. False: there is
// none, or it cannot be read.
func extendXMP(packet []byte, t SourceType) ([]byte, bool) {
	switch facts := readXMP(packet); {
	case facts.end == 0:
		return nil, false
	case facts.source == "":
		return spliceBytes(packet, facts.end, facts.end, []byte(describeSource(t))), true
	case facts.to == 0:
		return nil, false
	default:
		return spliceBytes(packet, facts.from, facts.to, []byte(sourceVocabulary+string(t))), true
	}
}

// readXMP reads a packet. One that is not well-formed says nothing.
func readXMP(packet []byte) xmpFacts {
	var (
		facts  xmpFacts
		d      = xml.NewDecoder(bytes.NewReader(packet))
		depth  int  // below rdf:RDF, which is 1; zero: outside
		within bool // the property itself, as an element
	)

	if len(packet) > maxXMP {
		return facts
	}

	for {
		from := int(d.InputOffset())

		token, err := d.Token()
		if err != nil && facts.end == 0 {
			return xmpFacts{}
		} else if err != nil { // the end, or padding behind it
			return facts
		}

		to := int(d.InputOffset())

		switch token := token.(type) {
		case xml.StartElement:
			if depth > 0 || token.Name.Space == nsRDF && token.Name.Local == "RDF" {
				depth++
			}

			within = depth == 3 && isSource(token.Name)

			// A property of the picture is a description's attribute, or an element below with its value inside or as an attribute.
			for _, a := range token.Attr {
				if depth == 2 && isSource(a.Name) || within && a.Name.Space == nsRDF && a.Name.Local == "resource" {
					facts.recordValue(packet, from, to, a.Value)
				}
			}
		case xml.CharData:
			if within && strings.TrimSpace(string(token)) != "" {
				facts.recordValue(packet, from, to, strings.TrimSpace(string(token)))
			}
		case xml.EndElement:
			within = false

			if depth == 1 && bytes.HasPrefix(packet[from:], []byte("</")) {
				facts.end = from
			}

			depth = max(0, depth-1)
		}
	}
}

func isSource(n xml.Name) bool { return n.Space == nsIPTC && n.Local == "DigitalSourceType" }

// recordValue keeps a value, which is somewhere between two places of the packet.
func (f *xmpFacts) recordValue(packet []byte, from, to int, value string) {
	f.source = SourceType(path.Base(value))

	if i := bytes.Index(packet[from:to], []byte(value)); i >= 0 {
		f.from, f.to = from+i, from+i+len(value)
	}
}
