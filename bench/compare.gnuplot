# gnuplot -c compare.gnuplot OUTPUT.svg SUBTITLE PANEL TITLE [PANEL TITLE...]
# Bars of rows per second, a panel per table. PANEL: lines of label, rows/s, times psql, kind (see report.sh), the
# fastest first. The background is white, so that the chart is the same on light and dark pages.
panels = (ARGC - 2) / 2
set datafile separator tab
array path[panels]; array title[panels]; array bars[panels]
total = 0.0
most = 0.0
do for [i = 1:panels] {
  path[i] = value("ARG" . (1 + 2 * i)); title[i] = value("ARG" . (2 + 2 * i))
  stats path[i] using 2 nooutput
  bars[i] = STATS_records
  total = total + bars[i]
  most = STATS_max > most ? STATS_max : most
}
bar = 26.0; head = 44.0; top = 46.0; foot = 12.0
height = top + total * bar + panels * head + foot

set terminal svg size 900, height font "Helvetica,Arial,sans-serif,13" background rgb "white" enhanced
set output ARG1
set multiplot
set label 1 "{/:Bold=16 Rows per second}   " . ARG2 at screen 0.015, screen 1 - 20.0 / height left textcolor rgb "#222222"
unset key
unset border
unset xtics
unset ytics
set bmargin 0; set tmargin 0; set lmargin 0; set rmargin 0
set xrange [0:most * 1.42]
color(kind) = kind == 2 ? 0xd1495b : kind == 1 ? 0x4a7fb0 : 0xb4b4b4
factor(text) = strlen(text) == 0 ? "" : sprintf(text + 0 < 0.1 ? "%.2f x psql" : "%.1f x psql", text + 0)
y = height - top
do for [i = 1:panels] {
  size = bars[i] * bar
  set label 2 "{/:Bold " . title[i] . "}" at screen 0.015, screen (y - head * 0.55) / height left textcolor rgb "#222222"
  set lmargin at screen 0.40
  set rmargin at screen 0.99
  set tmargin at screen (y - head) / height
  set bmargin at screen (y - head - size) / height
  set yrange [-bars[i] + 0.5:0.5]
  plot path[i] using (0):(-$0):(0):2:(-$0 - 0.36):(-$0 + 0.36):(color($4)) with boxxyerror fill solid noborder linecolor rgb variable, \
       "" using (0):(-$0):1 with labels noenhanced right offset -1, 0 textcolor rgb "#222222", \
       "" using 2:(-$0):(sprintf("%s   %s", $2 >= 1e6 ? sprintf("%.2f M", $2 / 1e6) : sprintf("%.0f k", $2 / 1e3), \
          factor(strcol(3)))) with labels left offset 1, 0 textcolor rgb "#222222"
  y = y - head - size
  unset label 1
}
unset multiplot
