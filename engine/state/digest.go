package state

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// digest stands for the rows of a table without regard to their order: how many there are
// and the sum of their checksums modulo 2^64. It is kept up by each commit in time
// proportional to what the commit changes, and compared by whoever reads the whole table.
type digest struct {
	count int64
	sum   uint64
}

func (d *digest) add(sum int64)    { d.count++; d.sum += uint64(sum) }
func (d *digest) remove(sum int64) { d.count--; d.sum -= uint64(sum) }

func (d digest) String() string { return fmt.Sprintf("%d:%016x", d.count, d.sum) }

func parseDigest(s string) (digest, error) {
	count, sum, _ := strings.Cut(s, ":")
	var d digest
	var err error
	if d.count, err = strconv.ParseInt(count, 10, 64); err != nil {
		return d, err
	}
	d.sum, err = strconv.ParseUint(sum, 16, 64)
	return d, err
}

// checksum is the first eight bytes of the SHA-256 of the parts, each behind its length so
// that moving a byte from one part to the next changes it. It is for accidents, not attacks.
func checksum(parts ...string) int64 {
	size := 0
	for _, p := range parts {
		size += 8 + len(p)
	}
	buf := make([]byte, 0, size)
	for _, p := range parts {
		buf = binary.BigEndian.AppendUint64(buf, uint64(len(p)))
		buf = append(buf, p...)
	}
	sum := sha256.Sum256(buf)
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// rowSum is the checksum of a row of sources, sinks, outputs or (with revision 0) shared.
func rowSum(table, address string, revision int64, data string) int64 {
	return checksum(table, address, strconv.FormatInt(revision, 10), data)
}
