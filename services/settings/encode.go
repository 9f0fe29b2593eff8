package settings

import "bytes"

// Encode writes every setting, in one order and one form, so that Parse makes an equal
// Settings of it. It holds the TLS key: for others see WithoutSecrets and Show.
func (s *Settings) Encode() []byte {
	return s.write(func(path string, v value) string { return v.literal() })
}

// Show is Encode for people: the TLS key is masked, so that Parse refuses it.
func (s *Settings) Show() []byte {
	return s.write(func(path string, v value) string {
		if path == "tls.key" && s.TLS.Key.Reveal() != "" {
			return literal(masked)
		}
		return v.literal()
	})
}

func (s *Settings) write(show func(path string, v value) string) []byte {
	var b bytes.Buffer
	for _, section := range append(s.sections(), s.blocks()...) {
		if b.Len() > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(section.title())
		b.WriteByte('\n')
		for _, one := range section.settings {
			b.WriteString(one.name + " = " + show(section.name+"."+one.name, one.value) + "\n")
		}
	}
	return b.Bytes()
}
