// Package store keeps an agent's catalog in a folder, so that what was acknowledged outlives the process (kill -9) and
// the machine (a power cut).
//
// Every write of the catalog is a checksummed record that is appended to a journal before anyone can see the write.
// When the journal has grown, all rows are written to a snapshot in the background while writes go on into the journal's
// next file, and the older files go. [Open] loads the last snapshot and the journals since.
//
//	snapshot-00000007.panda   all rows as they were before the first record of journal 7
//	journal-00000007.panda    the writes since, until
//	journal-00000008.panda    the next one was begun; snapshot 8 is being written, or could not be
//	mark.panda                how much of the last journal was on disk at the last start, change of journal or clean stop
//	cut-00000007-0…99.panda   what was cut off journal 7 at an offset, because no record could be made of it
//
// What was written reaches the disk by one fsync for all who wait ([Store.Settle]). A write that fails, on a full disk,
// has not happened, and later ones may succeed; an fsync that fails ends the store, because nobody can tell what the
// disk has then. The rest of a record at the end of the last journal, as a crash leaves it, is moved aside at the next
// start; any other damage is refused, never skipped over, and so is a journal with less than the mark says.
//
// The package never decides what is in the catalog, opens no socket, and touches no file but its own.
package store
