package agent

import (
	"log/slog"

	"github.com/pandakit/panda/internal/agent/catalog"
)

// toldJournal is a journal whose failures are logged: once when it begins to refuse writes, as with a full disk, and once
// when it takes them again. Who asked for a write is told each time; who looks after the machine may not be among them.
type toldJournal struct {
	catalog.Journal

	logger   *slog.Logger
	refusing bool
}

func (j *toldJournal) Append(index uint64, changes []catalog.Change) error {
	err := j.Journal.Append(index, changes)
	switch {
	case err != nil && !j.refusing:
		j.logger.Warn("writes are refused: the data dir takes none", "error", err)
	case err == nil && j.refusing:
		j.logger.Info("writes are taken again")
	}
	j.refusing = err != nil
	return err
}
