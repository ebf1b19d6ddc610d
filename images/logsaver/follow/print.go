package follow

// A Print is a fingerprint of a few bytes: of the first ones of a file, or of those before an offset.
type Print struct {
	Len int    `json:"len"`
	Sum uint64 `json:"sum"`
}

// Lengths of the fingerprints. The head must tell files of one program apart, which begin with the same banner but
// rarely with the same 256 bytes; the tail only has to notice that other bytes stand where some were read.
const (
	HeadLen = 256
	TailLen = 64
)

// PrintOf fingerprints all the bytes (FNV-1a, 64 bit: it is on disk, so it must not change between processes).
// That of no bytes is the zero Print.
func PrintOf(data []byte) Print {
	if len(data) == 0 {
		return Print{}
	}
	sum := uint64(14695981039346656037)
	for _, b := range data {
		sum = (sum ^ uint64(b)) * 1099511628211
	}
	return Print{Len: len(data), Sum: sum}
}

// Matches reports whether the data begins with the bytes that were fingerprinted.
func (p Print) Matches(data []byte) bool {
	return len(data) >= p.Len && PrintOf(data[:p.Len]) == p
}
