package postgres

import "testing"

func TestAWALLocationIsReadAndWrittenAsPostgreSQLDoes(t *testing.T) {
	for text, want := range map[string]LSN{
		"0/0": 0, "0/3000148": 0x3000148, "16/B374D848": 0x16B374D848, "FFFFFFFF/FFFFFFFF": 1<<64 - 1,
	} {
		got, err := ParseLSN(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("ParseLSN(%q) = %v (%d), %v; want %d", text, got, got, err, want)
		}
	}
	for _, text := range []string{"", "/", "0", "0/", "/0", "0/123456789", "-1/0", "+1/0", "0x1/0", "1_0/0", "0/g", "0/0/0", " 0/0"} {
		if got, err := ParseLSN(text); err == nil {
			t.Errorf("ParseLSN(%q) = %v, want an error", text, got)
		}
	}
}

func TestWALLocationsAreCompared(t *testing.T) {
	early, late := LSN(0xFFFFFFFF), LSN(0x100000000)
	if early.Compare(late) != -1 || late.Compare(early) != 1 || late.Compare(0x100000000) != 0 {
		t.Error("the order of 0/FFFFFFFF and 1/0 is wrong")
	}
	if late.Sub(early) != 1 || early.Sub(late) != -1 {
		t.Error("the distance of 0/FFFFFFFF and 1/0 is wrong")
	}
	var read LSN
	if err := read.UnmarshalText([]byte("1/0")); err != nil || read != late {
		t.Errorf("UnmarshalText = %v, %v", read, err)
	}
	if err := read.UnmarshalText(nil); err != nil || !read.IsZero() {
		t.Errorf("UnmarshalText of nothing = %v, %v", read, err)
	}
}

func TestNameOfAHistoryFile(t *testing.T) {
	if name := HistoryFileName(26); name != "0000001A.history" {
		t.Error(name)
	}
}

func TestTheVersionIsReadFromWhatProgramsPrint(t *testing.T) {
	for text, want := range map[string]Version{
		"postgres (PostgreSQL) 17.6 (Debian 17.6-1)\n": {17, 6},
		"pg_ctl (PostgreSQL) 15.20":                    {15, 20},
		"17\n":                                         {17, 0},
		"17.11 (Debian 17.11-0+deb13u1)":               {17, 11},
		"postgres (PostgreSQL) 18beta1":                {18, 0},
		"19devel":                                      {19, 0},
	} {
		if got, err := ParseVersion(text); err != nil || got != want {
			t.Errorf("ParseVersion(%q) = %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "postgres", "postgres (PostgreSQL) ", "9.6.24", "psql: error", "x17.6", "17.6.1", "1234.5"} {
		if got, err := ParseVersion(text); err == nil {
			t.Errorf("ParseVersion(%q) = %v, want an error", text, got)
		}
	}
	if v := (Version{17, 6}); v.String() != "17.6" || v.MajorString() != "17" {
		t.Error(v.String(), v.MajorString())
	}
}

func TestNamesAndTextsAreQuotedForSQL(t *testing.T) {
	for in, want := range map[string]string{`app`: `"app"`, `a"b`: `"a""b"`, "a\x00b": `"ab"`, "": `""`} {
		if got := QuoteIdentifier(in); got != want {
			t.Errorf("QuoteIdentifier(%q) = %s, want %s", in, got, want)
		}
	}
	for in, want := range map[string]string{`it's`: `'it''s'`, `a\b`: ` E'a\\b'`, `\'`: ` E'\\'''`, "a\x00b": `'ab'`, "": `''`} {
		if got := QuoteLiteral(in); got != want {
			t.Errorf("QuoteLiteral(%q) = %s, want %s", in, got, want)
		}
	}
}

func FuzzParsers(f *testing.F) {
	for _, seed := range []string{"0/3000148", "postgres (PostgreSQL) 17.6", controlData17} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if lsn, err := ParseLSN(text); err == nil {
			if again, err := ParseLSN(lsn.String()); err != nil || again != lsn {
				t.Errorf("%q is read as %v, and that as %v, %v", text, lsn, again, err)
			}
		}
		_, _ = ParseVersion(text)
		_, _ = ParseControlData(text)
	})
}
