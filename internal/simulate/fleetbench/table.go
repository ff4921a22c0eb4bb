package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// row is one figure of a case.
type row struct {
	of, what string
	figure   float64
	unit     string
	aim      float64 // 0: none
	most     bool    // the aim is the most it may be, not the least
}

func least(what string, figure float64, unit string, aim float64) row {
	return row{what: what, figure: figure, unit: unit, aim: aim}
}

func most(what string, figure float64, unit string, aim float64) row {
	return row{what: what, figure: figure, unit: unit, aim: aim, most: true}
}

func note(what string, figure float64, unit string) row {
	return row{what: what, figure: figure, unit: unit}
}

// verdict says how far the figure is from the aim.
func (r row) verdict() (aim, ratio, met string) {
	if r.aim == 0 {
		return "", "", ""
	}
	sign, ok := ">=", r.figure >= r.aim
	if r.most {
		sign, ok = "<=", r.figure <= r.aim
	}
	if met = "met"; !ok {
		met = "missed"
	}
	return sign + " " + short(r.aim), fmt.Sprintf("%.2f", r.figure/r.aim), met
}

func short(v float64) string {
	if v >= 100 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

func writeTable(out io.Writer, rows []row) error {
	tw := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(tw, "case\twhat\tfigure\taim\tof aim\t")
	last := ""
	for _, r := range rows {
		of := r.of
		if of == last {
			of = ""
		}
		last = r.of
		aim, ratio, met := r.verdict()
		_, _ = fmt.Fprintf(tw, "%s\t%s\t%s %s\t%s\t%s\t%s\n", of, r.what, short(r.figure), r.unit, aim, ratio, met)
	}
	return tw.Flush()
}
