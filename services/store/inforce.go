package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"postroom/services/contract"
	"postroom/services/settings"
	"postroom/services/store/engine"
)

// Meta's rows of the settings: the text in force, and for each source the digest of the file last applied.
var settingsKey = []byte("settings")

func sourceKey(source string) []byte { return []byte("settings from " + source) }

// loadSettings takes the settings in force into memory: those kept, else the defaults.
func (s *Store) loadSettings() error {
	var text []byte
	err := s.db.View(func(r *engine.Reader) error {
		text = slices.Clone(r.Get(engine.Meta, settingsKey))
		return nil
	})
	if err != nil {
		return err
	}
	parsed := settings.Default()
	if s.cfg.Hosted {
		parsed = settings.Hosted()
	}
	if text != nil {
		// An older program's settings may be refused by this one; the box serves all the same.
		if kept, err := settings.Parse("settings in force", text); err != nil {
			s.log.Error("settings in force are refused: defaults hold", "err", err)
		} else {
			parsed = kept
		}
	}
	s.settings.Store(parsed)
	return nil
}

// applySettings puts a settings file in force, durable first. The error is the file's, in words for a person.
func (s *Store) applySettings(ctx context.Context, file string, text []byte, more func(*engine.Txn)) error {
	parsed, err := settings.Parse(file, text)
	if err != nil {
		return fmt.Errorf("%w: %w", contract.ErrInvalid, err)
	}
	err = s.db.Update(ctx, func(t *engine.Txn) error {
		t.Put(engine.Meta, settingsKey, text)
		if err := s.setLicences(t, parsed.Users.Licences); err != nil {
			return err
		}
		if more != nil {
			more(t)
		}
		t.After(func() {
			s.settings.Store(parsed)
			s.log.Info("settings applied", "file", file)
			s.look.again(contract.Topic_TOPIC_SETTINGS)
		})
		return nil
	})
	return err
}

// initService serves the init service.
type initService struct{ *Store }

func (i initService) ApplyFile(ctx context.Context, q *contract.ApplyFileRequest) (*contract.ApplyFileResponse, error) {
	digest := sha256.Sum256(q.Text)
	same := false
	err := i.db.View(func(r *engine.Reader) error {
		same = string(r.Get(engine.Meta, sourceKey(q.Source))) == string(digest[:])
		return nil
	})
	if err != nil {
		return &contract.ApplyFileResponse{}, err
	}
	if same { // and good: a bad one that stood there meanwhile is gone
		return &contract.ApplyFileResponse{}, i.keepCondition(ctx, false, contract.ConditionSettings, q.Source, "")
	}
	_, problem := settings.Parse(q.File, q.Text)
	if problem != nil {
		err := i.keepCondition(ctx, true, contract.ConditionSettings, q.Source,
			"the settings file is not applied, and what was in force stays: "+problem.Error())
		return &contract.ApplyFileResponse{Problem: problem.Error()}, err
	}
	err = i.applySettings(ctx, q.File, q.Text, func(t *engine.Txn) {
		t.Put(engine.Meta, sourceKey(q.Source), digest[:])
		i.clearCondition(t, contract.ConditionSettings, q.Source)
	})
	return &contract.ApplyFileResponse{Applied: err == nil}, err
}

func (a admin) GetSettings(context.Context, *contract.GetSettingsRequest) (*contract.GetSettingsResponse, error) {
	return &contract.GetSettingsResponse{Toml: string(a.settings.Load().Show())}, nil
}

func (a admin) CheckSettings(_ context.Context, q *contract.ApplySettingsRequest) (*contract.ApplySettingsResponse, error) {
	if _, err := settings.Parse(q.File, q.Text); err != nil {
		return &contract.ApplySettingsResponse{Problem: err.Error()}, nil
	}
	return &contract.ApplySettingsResponse{}, nil
}

func (a admin) ApplySettings(ctx context.Context, q *contract.ApplySettingsRequest) (*contract.ApplySettingsResponse, error) {
	if _, err := settings.Parse(q.File, q.Text); err != nil {
		return &contract.ApplySettingsResponse{Problem: err.Error()}, nil
	}
	return &contract.ApplySettingsResponse{}, a.applySettings(ctx, q.File, q.Text, nil)
}
