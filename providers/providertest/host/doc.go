// Package host gives tests the surroundings that a fault needs: no privileges, mounts, a full
// disk. A test that asks for them is run a second time, in a process that has them:
//
//	func TestFullDisk(t *testing.T) {
//		if !host.WithMounts(t) {
//			return // the second run does the test, and this one has reported its outcome
//		}
//		host.Mount(t, "-t", "tmpfs", "-o", "size=64k", "tmpfs", dir)
//		free := host.FillDisk(t, filepath.Join(dir, "ballast"))
//		...
//	}
//
// Where a platform cannot give what is asked for, the test is skipped.
package host
